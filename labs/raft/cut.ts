import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { Violation } from "../../testing/violation.ts";
import { DIAGRAM_LINES } from "./limits.ts";
import type { TraceEvent } from "./trace.ts";

/** The subject of a failure: the election of a term, or the entry at an index. */
export type Focus =
  | { readonly kind: "term"; readonly term: number }
  | { readonly kind: "entry"; readonly index: number };

/** Events that were left out of a diagram because the failure does not depend on them. */
export type Gap = { readonly kind: "gap"; readonly messages: number };

/** The term or entry that a violated safety property names. */
export function focusOf({ checker, message }: Violation): Focus | undefined {
  const entry = /(?:entry (\d+)$|(\d+)\/\d+)/.exec(message);
  if (entry && ENTRY_PROPERTIES.includes(checker)) {
    return { kind: "entry", index: Number(entry[1] ?? entry[2]) };
  }
  const term = /term (\d+)/.exec(message);
  return term ? { kind: "term", term: Number(term[1]) } : undefined;
}

const ENTRY_PROPERTIES = [
  "state machine safety",
  "commits in own term",
  "leader completeness",
  "acknowledged entries kept",
];

/** The members whose messages explain a violation: that of the step, and both of two leaders. */
export function membersOf({ message }: Violation, member: MemberId): readonly MemberId[] {
  const leaders = /is led by (\d+) and (\d+)/.exec(message);
  return leaders ? leaders.slice(1).map(BigInt) : [member];
}

/**
 * Cuts a run to the events that a failure depends on: the states that members start with; from the
 * first event of the focus on, its own messages, and what happened at the members; and the messages
 * of `members`, all or the newest that the diagram has lines for. Messages in between become gaps.
 */
export function cutToCause(
  events: readonly TraceEvent[],
  focus: Focus | undefined,
  members: readonly MemberId[] = [],
): (TraceEvent | Gap)[] {
  const first = focus ? events.findIndex((event) => concerns(event, focus)) : -1;
  if (!focus || first < 0) return withoutRepeats(events);
  // The pre-votes of an election too, if the diagram has lines for them.
  const ballot = events.findIndex((event) => isBallotOf(event, focus, members));
  if (ballot >= 0 && ballot < first) {
    const { kept, isWhole } = cutFrom(events, ballot, focus, members);
    if (isWhole) return kept;
  }
  return cutFrom(events, first, focus, members).kept;
}

/** The cut from an event on; `isWhole` when it has all messages of `members`. */
function cutFrom(
  events: readonly TraceEvent[],
  start: number,
  focus: Focus,
  members: readonly MemberId[],
): { readonly kept: (TraceEvent | Gap)[]; readonly isWhole: boolean } {
  const setting = events.slice(0, start).filter(isSetting);
  const run = events.slice(start);
  const news = newsOf(run, focus);
  const isShown = (event: TraceEvent) => event.kind === "note" || concerns(event, focus);
  const shown = news.filter(isShown);
  const others = news.filter((event) => !isShown(event) && isOf(event, members));
  const cut = (more: readonly TraceEvent[]) => {
    return [...setting, ...withGaps(run, new Set([...shown, ...more]))];
  };
  const whole = cut(others);
  if (whole.length <= DIAGRAM_LINES) return { kept: whole, isWhole: true };
  // Each may divide a gap, and take two lines.
  const fitting = Math.max(0, DIAGRAM_LINES - cut([]).length) >> 1;
  const kept = cut(others.slice(Math.max(0, others.length - fitting)));
  return { kept, isWhole: false };
}

/** Notes that say where a run starts: what is on the disks, and who does not reach whom. */
function isSetting(event: TraceEvent): boolean {
  return event.kind === "note" && /^(starts in term|and \d+ do not reach)/.test(event.text);
}

/** Notes, and messages that are no repetition. */
function newsOf(run: readonly TraceEvent[], focus: Focus): TraceEvent[] {
  const known = new Set<string>();
  const last = lastToEach(run.filter((event) => concerns(event, focus)));
  return run.filter((event) => event.kind === "note" || isNews(event, known) || last.has(event));
}

function withGaps(
  run: readonly TraceEvent[],
  shown: ReadonlySet<TraceEvent>,
): (TraceEvent | Gap)[] {
  const kept: (TraceEvent | Gap)[] = [];
  let left = 0;
  const close = () => {
    if (left > 0) kept.push({ kind: "gap", messages: left });
    left = 0;
  };
  for (const event of run) {
    if (shown.has(event)) {
      close();
      kept.push(event);
    } else left++;
  }
  close();
  return kept;
}

/** Leaves out messages that the same members have exchanged already, where there is no focus. */
function withoutRepeats(events: readonly TraceEvent[]): (TraceEvent | Gap)[] {
  const known = new Set<string>();
  const last = lastToEach(events);
  const kept = events.filter((event) => {
    return event.kind === "note" || isBeat(event) || isNews(event, known) || last.has(event);
  });
  const left = events.length - kept.length;
  return left > 0 ? [...kept, { kind: "gap", messages: left }] : kept;
}

/** The last message to each member, which may be what it failed at, though it is a repetition. */
function lastToEach(events: readonly TraceEvent[]): ReadonlySet<TraceEvent> {
  const messages = events.filter((event) => event.kind === "message");
  return new Set(new Map(messages.map((event) => [event.to, event])).values());
}

/** Heartbeats are counted by the diagram. */
export function isBeat({ message }: MessageEvent): boolean {
  return message.kind === "heartbeat" || message.kind === "heartbeat-reply";
}

/** Whether a message says something that the same members have not exchanged before. */
function isNews({ from, to, label, fate }: MessageEvent, known: Set<string>): boolean {
  const said = `${from} ${to} ${label} ${fate}`;
  if (known.has(said)) return false;
  known.add(said);
  return true;
}

type MessageEvent = Extract<TraceEvent, { kind: "message" }>;

/** Whether one of the members sends or receives it. */
function isOf(event: TraceEvent, members: readonly MemberId[]): boolean {
  if (event.kind === "note" || isBeat(event)) return false;
  return members.includes(event.from) || members.includes(event.to);
}

/** Whether it belongs to the election of the term, pre-votes included, at one of the members. */
function isBallotOf(event: TraceEvent, focus: Focus, members: readonly MemberId[]): boolean {
  if (focus.kind !== "term" || event.kind === "note" || !isOf(event, members)) return false;
  const { kind, term } = event.message;
  return (kind === "vote" || kind === "vote-reply") && term === focus.term;
}

function concerns(event: TraceEvent, focus: Focus): boolean {
  if (event.kind === "note") {
    const named = focus.kind === "entry" ? `entry ${focus.index}` : `term ${focus.term}`;
    return new RegExp(`${named}\\b`).test(event.text);
  }
  const { message } = event;
  return focus.kind === "term" ? ofElection(message, focus.term) : ofEntry(message, focus.index);
}

function ofElection(message: Message, term: number): boolean {
  const election = message.kind === "vote" || message.kind === "vote-reply";
  return election && message.term === term && !message.pre;
}

function ofEntry(message: Message, index: number): boolean {
  switch (message.kind) {
    case "append":
      return message.prevIndex < index && index <= message.prevIndex + message.entries.length;
    case "append-reply":
      return message.reject ? message.index >= index - 1 : message.index >= index;
    case "snapshot":
      return message.mark.index >= index;
    case "vote-reply":
      return message.granted && !message.pre;
    default:
      return false;
  }
}
