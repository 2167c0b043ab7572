import type { Message } from "@raft2kube/store/core/message.ts";
import type { Violation } from "../../testing/violation.ts";
import type { TraceEvent } from "./trace.ts";

/** The subject of a failure: the election of a term, or the entry at an index. */
export type Focus =
  | { readonly kind: "term"; readonly term: number }
  | { readonly kind: "entry"; readonly index: number };

/** Events that were left out of a diagram because the failure does not depend on them. */
export interface Gap {
  readonly kind: "gap";
  readonly messages: number;
}

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

/**
 * Cuts a run to the events that a failure depends on: from the first event of the focus on, its own
 * messages, and what happened at the members. Messages in between become gaps.
 */
export function cutToCause(
  events: readonly TraceEvent[],
  focus: Focus | undefined,
): (TraceEvent | Gap)[] {
  if (!focus) return withoutRepeats(events);
  const start = events.findIndex((event) => concerns(event, focus));
  if (start < 0) return withoutRepeats(events);
  const kept: (TraceEvent | Gap)[] = [];
  let left = 0;
  const known = new Set<string>();
  const last = lastToEach(events.filter((event) => concerns(event, focus)));
  for (const event of events.slice(start)) {
    const repeated = event.kind === "message" && !isNews(event, known) && !last.has(event);
    if (!repeated && (event.kind === "note" || concerns(event, focus))) {
      if (left > 0) kept.push({ kind: "gap", messages: left });
      left = 0;
      kept.push(event);
    } else left++;
  }
  if (left > 0) kept.push({ kind: "gap", messages: left });
  return kept;
}

/** Without a focus: everything but messages that the same members have exchanged already. */
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
function isNews({ from, to, label, lost }: MessageEvent, known: Set<string>): boolean {
  const said = `${from} ${to} ${label} ${lost}`;
  if (known.has(said)) return false;
  known.add(said);
  return true;
}

type MessageEvent = Extract<TraceEvent, { kind: "message" }>;

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
