import { unreachable } from "@raft2kube/std/assert.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { type Gap, isBeat } from "./cut.ts";
import type { Fate, TraceEvent } from "./trace.ts";

const COLUMN = 18;
const TIME = 10;
/** Notes that a diagram keeps where it leaves out the lines around them: the newest of these. */
const TURNS = /^(is leader in term|is (dis)?connected|crashes|restarts)/;
/** One line of this many may be such a note. */
const TURN_SHARE = 6;

type MessageEvent = Extract<TraceEvent, { kind: "message" }>;
type NoteEvent = Extract<TraceEvent, { kind: "note" }>;

interface Line {
  readonly text: string;
  /** A change of leader, or a fault. */
  readonly isTurn: boolean;
}

/**
 * Draws events as a message sequence diagram of at most `lines_max` lines below its head: a column
 * for each member, time downwards, an arrow for each message at its arrival (✗ where it was lost,
 * dashed where its sender crashes before it arrives). Consecutive heartbeats and their replies
 * become one arrow for each pair of members, equal notes one line. Lines that do not fit are left
 * out in the middle, except the newest changes of leader and faults.
 */
export function drawDiagram(
  events: readonly (TraceEvent | Gap)[],
  members: readonly MemberId[],
  lines_max: number,
): string[] {
  const head = " ".repeat(TIME) + members.map((id) => `member ${id}`.padEnd(COLUMN)).join("");
  const lines: Line[] = [];
  let beats: MessageEvent[] = [];
  let notes: NoteEvent[] = [];
  const drawFolded = () => {
    const drawn = [...beatLines(beats, members), ...noteLines(notes, members)];
    for (const text of drawn) lines.push({ text, isTurn: TURNS.test(notes[0]?.text ?? "") });
    beats = [];
    notes = [];
  };
  for (const event of events) {
    const isSameNote = event.kind === "note" && isEqual(notes[0], event);
    const isOneOfBeats = event.kind === "message" && isBeat(event) && notes.length === 0;
    if (!isSameNote && !isOneOfBeats) drawFolded();
    if (event.kind === "note") notes.push(event);
    else if (event.kind === "message" && isBeat(event)) beats.push(event);
    else lines.push({ text: lineOf(event, members), isTurn: false });
  }
  drawFolded();
  return [head, ...shortened(lines, members, lines_max)].map((text) => text.trimEnd());
}

/** Keeps the beginning, where the cause usually is, the end, and turns between them. */
function shortened(
  lines: readonly Line[],
  members: readonly MemberId[],
  lines_max: number,
): string[] {
  if (lines.length <= lines_max) return lines.map(({ text }) => text);
  const first = Math.floor(lines_max / 3);
  for (let count = Math.floor(lines_max / TURN_SHARE); ; count--) {
    // Each turn may have a line before it that counts those left out.
    const end = lines.length - (lines_max - first - 2 * count - 1);
    const turns = lines.slice(first, end).filter(({ isTurn }) => isTurn);
    if (turns.length < count) continue;
    const kept = new Set(turns.slice(turns.length - count));
    const isKept = (line: Line, i: number) => i < first || i >= end || kept.has(line);
    return keptLines(lines, isKept, members);
  }
}

function keptLines(
  lines: readonly Line[],
  isKept: (line: Line, i: number) => boolean,
  members: readonly MemberId[],
): string[] {
  const shown: string[] = [];
  let left = 0;
  for (const [i, line] of lines.entries()) {
    if (!isKept(line, i)) {
      left++;
      continue;
    }
    if (left > 0) shown.push(`${" ".repeat(TIME)}${idle(members)}  ⋮ ${left} lines`);
    left = 0;
    shown.push(line.text);
  }
  return shown;
}

function isEqual(one: NoteEvent | undefined, { at, text }: NoteEvent): boolean {
  return one?.at === at && one.text === text;
}

/** Equal notes as one line: how many, and when the last. */
function noteLines(notes: readonly NoteEvent[], members: readonly MemberId[]): string[] {
  const last = notes.at(-1);
  if (!last) return [];
  const count = notes.length > 1 ? ` ×${notes.length}` : "";
  return [`${lineOf(last, members)}${count}`];
}

/**
 * An arrow from the leader to each follower: how many heartbeats, lost ones, and replies; in order
 * of the last heartbeat's time.
 */
function beatLines(beats: readonly MessageEvent[], members: readonly MemberId[]): string[] {
  const sent = beats.filter(({ message }) => message.kind === "heartbeat");
  const links = new Map(sent.map((beat) => [`${beat.from} ${beat.to} ${beat.message.term}`, beat]));
  const drawn = [...links.values()].map((beat) => {
    const same = sent.filter((each) => isSameLink(each, beat));
    const lost = same.filter(({ fate }) => fate === "lost").length;
    const replies = beats.filter(({ message: { kind }, from, to, fate }) => {
      const isReply = kind === "heartbeat-reply" && fate === "arrived";
      return isReply && from === beat.to && to === beat.from;
    });
    const notes = [
      ...(lost > 0 ? [`${lost} lost`] : []),
      ...(replies.length < same.length - lost ? [`${replies.length} replies`] : []),
    ];
    const label = `heartbeat t${beat.message.term} ×${same.length}`;
    const fate = lost === same.length ? "lost" : "arrived";
    const after = notes.length > 0 ? `  (${notes.join(", ")})` : "";
    const { at_ms } = same.at(-1)!;
    const text = `${time(at_ms)}${arrow({ ...beat, label, fate }, members)}${after}`;
    return { at_ms, text };
  });
  return drawn.sort((one, other) => one.at_ms - other.at_ms).map(({ text }) => text);
}

function isSameLink(one: MessageEvent, other: MessageEvent): boolean {
  const sameTerm = one.message.term === other.message.term;
  return one.from === other.from && one.to === other.to && sameTerm;
}

const time = (at_ms: number): string => `${(at_ms / 1_000).toFixed(4)}  `.padStart(TIME);

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

/** The line and the tip of an arrow to the right. */
const ARROWS: Readonly<Record<Fate, readonly [string, string]>> = {
  arrived: ["─", "►"],
  lost: ["─", "✗"],
  "in flight": ["╌", "►"],
};

function arrow(
  { from, to, label, fate }: Pick<MessageEvent, "from" | "to" | "label" | "fate">,
  members: readonly MemberId[],
): string {
  const [start, end] = [members.indexOf(from), members.indexOf(to)];
  // A candidate's own vote.
  if (start === end) return `${idle(members, start)}  ${from} to itself: ${label}`;
  const rightward = end > start;
  const [left, right] = rightward ? [start, end] : [end, start];
  const cells = [...idle(members)];
  const inside = (right - left) * COLUMN - 1;
  const [dash, point] = ARROWS[fate];
  const line = dash.repeat(inside).split("");
  // It crosses the lines of the members between, and has its label beside the sender.
  for (let at = COLUMN - 1; at < inside; at += COLUMN) line[at] = "┼";
  const free = COLUMN - 2;
  const text = label.length <= free - 2 ? ` ${label} ` : "";
  const before = (free - text.length) >> 1;
  line.splice((rightward ? 0 : inside - free) + before, text.length, ...text);
  if (rightward) line[inside - 1] = point;
  else line[0] = point === "►" ? "◄" : point;
  cells.splice(left * COLUMN + 1, inside, ...line);
  const notes = [...(text === "" ? [label] : []), ...(fate === "in flight" ? ["(in flight)"] : [])];
  return [cells.join(""), ...notes].join("  ");
}
