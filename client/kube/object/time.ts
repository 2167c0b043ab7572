/** meta/v1 Time: RFC 3339 in UTC, whole seconds. */
export function timeText(at_ms: number): string {
  return new Date(at_ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** meta/v1 MicroTime: RFC 3339 in UTC with six digits. */
export function microTimeText(at_ms: number): string {
  return new Date(at_ms).toISOString().replace("Z", "000Z");
}

/** Milliseconds since 1970 of a time of the API; undefined if it is absent or no time. */
export function timeOf(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const at_ms = Date.parse(text);
  return Number.isNaN(at_ms) ? undefined : at_ms;
}
