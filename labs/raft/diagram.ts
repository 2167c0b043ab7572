import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { Happening } from "./chronicle.ts";

const COLUMN = 18;
const TIME = 10;

/**
 * The last `lines_max` of what happened as a message sequence diagram: a column for each member,
 * time downwards, an arrow for each message at its arrival (✗ where it was lost). Heartbeats and
 * their answers are counted, not drawn.
 */
export function drawDiagram(
  happenings: readonly Happening[],
  members: readonly MemberId[],
  lines_max: number,
): string[] {
  const head = " ".repeat(TIME) + members.map((id) => `member ${id}`.padEnd(COLUMN)).join("");
  const lines: string[] = [];
  let beats = 0;
  const tellBeats = () => {
    if (beats > 0) lines.push(`${" ".repeat(TIME)}${idle(members)}  (heartbeats: ${beats})`);
    beats = 0;
  };
  for (const happening of happenings) {
    if (isBeat(happening)) {
      beats++;
      continue;
    }
    tellBeats();
    lines.push(`${time(happening.at_ms)}${line(happening, members)}`);
  }
  tellBeats();
  return [head.trimEnd(), ...lines.slice(-lines_max).map((text) => text.trimEnd())];
}

function isBeat(happening: Happening): boolean {
  return happening.kind === "message" && /^(heartbeat|alive) /.test(happening.label);
}

function time(at_ms: number): string {
  return `${(at_ms / 1_000).toFixed(4)}  `.padStart(TIME);
}

function line(happening: Happening, members: readonly MemberId[]): string {
  if (happening.kind === "message") return arrow(happening, members);
  const at = members.indexOf(happening.at);
  return `${idle(members, at)}  ${happening.text}`;
}

/** A line for each member, a dot where something happens. */
function idle(members: readonly MemberId[], marked = -1): string {
  return members
    .map((_, i) => (i === marked ? "●" : "│").padEnd(COLUMN))
    .join("")
    .trimEnd();
}

function arrow(
  { from, to, label, lost }: Extract<Happening, { kind: "message" }>,
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
