import { unreachable } from "@raft2kube/std/assert.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { isPromise } from "./acknowledged.ts";
import { TRACE_EVENTS_MAX } from "./limits.ts";

/** `in flight`: it has left its sender, which crashes before it arrives. */
export type Fate = "arrived" | "lost" | "in flight";

/** An event of the diagram: a message, or a note at one member. */
export type TraceEvent =
  | {
      readonly kind: "message";
      readonly at_ms: number;
      readonly from: MemberId;
      readonly to: MemberId;
      readonly message: Message;
      readonly label: string;
      readonly fate: Fate;
    }
  | { readonly kind: "note"; readonly at_ms: number; readonly at: MemberId; readonly text: string };

/** The newest events of a run. */
export class Trace {
  #events: TraceEvent[] = [];
  readonly #inFlight = new Set<Message>();
  readonly #now: () => number;
  readonly #onNote: (at: MemberId, text: string) => void;

  constructor(now: () => number, onNote: (at: MemberId, text: string) => void = () => undefined) {
    this.#now = now;
    this.#onNote = onNote;
  }

  /** A message leaves its sender. */
  sent(message: Message): void {
    this.#inFlight.add(message);
  }

  /** A message arrives, or is lost. */
  message(message: Message, lost: boolean): void {
    this.#inFlight.delete(message);
    this.#keep(this.#eventOf(message, lost ? "lost" : "arrived"));
  }

  /** Draws the promises of a member that have left it and not arrived, at its crash. */
  promisesInFlight(from: MemberId): void {
    for (const message of this.#inFlight) {
      if (message.from === from && isPromise(message)) {
        this.#keep(this.#eventOf(message, "in flight"));
      }
    }
  }

  #eventOf(message: Message, fate: Fate): TraceEvent {
    const { from, to } = message;
    const label = labelOf(message);
    return { kind: "message", at_ms: this.#now(), from, to, message, label, fate };
  }

  note(at: MemberId, text: string): void {
    this.#keep({ kind: "note", at_ms: this.#now(), at, text });
    this.#onNote(at, text);
  }

  get events(): readonly TraceEvent[] {
    return this.#events;
  }

  #keep(event: TraceEvent): void {
    this.#events.push(event);
    if (this.#events.length < 2 * TRACE_EVENTS_MAX) return;
    this.#events = this.#events.slice(-TRACE_EVENTS_MAX);
  }
}

/** A message in a word or two, and its term. */
export const labelOf = (message: Message): string => `${words(message)} t${message.term}`;

/** A message in a word or two. */
function words(message: Message): string {
  switch (message.kind) {
    case "vote":
      return message.pre ? "pre-vote?" : "vote?";
    case "vote-reply":
      return `${message.pre ? "pre-" : ""}${message.granted ? "granted" : "rejected"}`;
    case "append": {
      const { entries, prevIndex, commit } = message;
      const range = entries.length === 0 ? "" : ` ${prevIndex + 1}..${prevIndex + entries.length}`;
      return `append${range} c${commit}`;
    }
    case "append-reply":
      if (!message.reject) return `match ${message.index}`;
      return `reject ${message.index}, hint ${message.hintIndex}`;
    case "heartbeat":
      return "heartbeat";
    case "heartbeat-reply":
      return "alive";
    case "snapshot":
      return `snapshot ${message.mark.index}`;
    case "propose":
    case "read":
    case "read-reply":
    case "transfer":
    case "timeout-now":
      return message.kind;
    default:
      return unreachable(message, "message");
  }
}
