import { unreachable } from "@raft2kube/std/assert.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { type Gap, isBeat } from "./cut.ts";
import type { TraceEvent } from "./trace.ts";

const COLUMN = 18;
const TIME = 10;

type MessageEvent = Extract<TraceEvent, { kind: "message" }>;

/**
 * Draws events as a message sequence diagram of at most `lines_max` lines below its head: a column
 * for each member, time downwards, an arrow for each message at its arrival (✗ where it was lost).
 * Consecutive heartbeats and their replies become one arrow for each pair of members. What does not
 * fit is left out in the middle.
 */
export function drawDiagram(
  events: readonly (TraceEvent | Gap)[],
  members: readonly MemberId[],
  lines_max: number,
): string[] {
  const head = " ".repeat(TIME) + members.map((id) => `member ${id}`.padEnd(COLUMN)).join("");
  const lines: string[] = [];
  let beats: MessageEvent[] = [];
  const drawBeats = () => {
    lines.push(...beatLines(beats, members));
    beats = [];
  };
  for (const event of events) {
    if (event.kind === "message" && isBeat(event)) {
      beats.push(event);
      continue;
    }
    drawBeats();
    lines.push(lineOf(event, members));
  }
  drawBeats();
  return [head, ...shortened(lines, members, lines_max)].map((text) => text.trimEnd());
}

/** Keeps the beginning, where the cause usually is, and the end. */
function shortened(lines: string[], members: readonly MemberId[], lines_max: number): string[] {
  if (lines.length <= lines_max) return lines;
  const first = Math.floor(lines_max / 3);
  const last = lines_max - first - 1;
  const left = `${" ".repeat(TIME)}${idle(members)}  ⋮ ${lines.length - first - last} lines`;
  return [...lines.slice(0, first), left, ...lines.slice(-last)];
}

/** An arrow from the leader to each follower: how many heartbeats, lost ones, and replies. */
function beatLines(beats: readonly MessageEvent[], members: readonly MemberId[]): string[] {
  const sent = beats.filter(({ message }) => message.kind === "heartbeat");
  const links = new Map(sent.map((beat) => [`${beat.from} ${beat.to} ${beat.message.term}`, beat]));
  return [...links.values()].map((beat) => {
    const same = sent.filter((each) => isSameLink(each, beat));
    const lost = same.filter((each) => each.lost).length;
    const replies = beats.filter(({ message, from, to, lost: gone }) => {
      return message.kind === "heartbeat-reply" && from === beat.to && to === beat.from && !gone;
    });
    const notes = [
      ...(lost > 0 ? [`${lost} lost`] : []),
      ...(replies.length < same.length - lost ? [`${replies.length} replies`] : []),
    ];
    const label = `heartbeat t${beat.message.term} ×${same.length}`;
    const drawn = arrow({ ...beat, label, lost: lost === same.length }, members);
    const after = notes.length > 0 ? `  (${notes.join(", ")})` : "";
    return `${time(same.at(-1)!.at_ms)}${drawn}${after}`;
  });
}

function isSameLink(one: MessageEvent, other: MessageEvent): boolean {
  const sameTerm = one.message.term === other.message.term;
  return one.from === other.from && one.to === other.to && sameTerm;
}

function time(at_ms: number): string {
  return `${(at_ms / 1_000).toFixed(4)}  `.padStart(TIME);
}

function lineOf(event: TraceEvent | Gap, members: readonly MemberId[]): string {
  switch (event.kind) {
    case "gap":
      return `${" ".repeat(TIME)}${idle(members)}  ⋮ ${others(event.messages)}`;
    case "message":
      return `${time(event.at_ms)}${arrow(event, members)}`;
    case "note": {
      const at = members.indexOf(event.at);
      return `${time(event.at_ms)}${idle(members, at)}  ${event.at} ${event.text}`;
    }
    default:
      return unreachable(event, "event");
  }
}

function others(messages: number): string {
  return `${messages} other message${messages === 1 ? "" : "s"}`;
}

/** A line for each member, a dot at the member with the event. */
function idle(members: readonly MemberId[], marked = -1): string {
  return members
    .map((_, i) => (i === marked ? "●" : "│").padEnd(COLUMN))
    .join("")
    .trimEnd();
}

function arrow(
  { from, to, label, lost }: Pick<MessageEvent, "from" | "to" | "label" | "lost">,
  members: readonly MemberId[],
): string {
  const [start, end] = [members.indexOf(from), members.indexOf(to)];
  // A candidate's own vote.
  if (start === end) return `${idle(members, start)}  ${from} to itself: ${label}`;
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
