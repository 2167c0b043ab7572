/** The second that was asked for last, and its text: writes come many a second. */
let last = { second: Number.NaN, text: "" };

/** Time as metadata carries it: RFC 3339, whole seconds, UTC. */
export function timeText(now_ms: number): string {
  const second = Math.floor(now_ms / 1000);
  if (last.second !== second) {
    last = { second, text: new Date(second * 1000).toISOString().replace(".000Z", "Z") };
  }
  return last.text;
}
