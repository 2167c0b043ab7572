import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { TraceEvent } from "./trace.ts";

const COLUMN = 18;
const TIME = 10;

/**
 * Draws the last `lines_max` events as a message sequence diagram: a column for each member, time
 * downwards, an arrow for each message at its arrival (✗ if it was lost). Heartbeats and their
 * replies are counted, not drawn.
 */
export function drawDiagram(
  events: readonly TraceEvent[],
  members: readonly MemberId[],
  lines_max: number,
): string[] {
  const head = " ".repeat(TIME) + members.map((id) => `member ${id}`.padEnd(COLUMN)).join("");
  const lines: string[] = [];
  let beats = 0;
  const drawBeats = () => {
    if (beats > 0) lines.push(`${" ".repeat(TIME)}${idle(members)}  (heartbeats: ${beats})`);
    beats = 0;
  };
  for (const event of events) {
    if (isBeat(event)) {
      beats++;
      continue;
    }
    drawBeats();
    lines.push(`${time(event.at_ms)}${line(event, members)}`);
  }
  drawBeats();
  return [head.trimEnd(), ...lines.slice(-lines_max).map((text) => text.trimEnd())];
}

function isBeat(event: TraceEvent): boolean {
  return event.kind === "message" && /^(heartbeat|alive) /.test(event.label);
}

function time(at_ms: number): string {
  return `${(at_ms / 1_000).toFixed(4)}  `.padStart(TIME);
}

function line(event: TraceEvent, members: readonly MemberId[]): string {
  if (event.kind === "message") return arrow(event, members);
  const at = members.indexOf(event.at);
  return `${idle(members, at)}  ${event.text}`;
}

/** A line for each member, a dot at the member with the event. */
function idle(members: readonly MemberId[], marked = -1): string {
  return members
    .map((_, i) => (i === marked ? "●" : "│").padEnd(COLUMN))
    .join("")
    .trimEnd();
}

function arrow(
  { from, to, label, lost }: Extract<TraceEvent, { kind: "message" }>,
  members: readonly MemberId[],
): string {
  const [start, end] = [members.indexOf(from), members.indexOf(to)];
  const rightward = end > start;
  const [left, right] = rightward ? [start, end] : [end, start];
  const cells = [...idle(members)];
  const inside = (right - left) * COLUMN - 1;
  const text = label.length <= inside - 3 ? ` ${label} ` : "";
  const dashes = inside - 1 - text.length;
  const before = Math.floor(dashes / 2);
  const tip = lost ? "✗" : rightward ? "►" : "◄";
  const body = `${"─".repeat(before)}${text}${"─".repeat(dashes - before)}`;
  const drawn = rightward ? body + tip : tip + body;
  cells.splice(left * COLUMN + 1, inside, ...drawn);
  return `${cells.join("")}${text === "" ? `  ${label}` : ""}`;
}
