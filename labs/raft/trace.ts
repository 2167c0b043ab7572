import { unreachable } from "@raft2kube/std/assert.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { TRACE_EVENTS_MAX } from "./limits.ts";

/** An event of the diagram: a message that arrived or was lost, or a note at one member. */
export type TraceEvent =
  | {
      readonly kind: "message";
      readonly at_ms: number;
      readonly from: MemberId;
      readonly to: MemberId;
      readonly message: Message;
      readonly label: string;
      readonly lost: boolean;
    }
  | { readonly kind: "note"; readonly at_ms: number; readonly at: MemberId; readonly text: string };

/** The newest events of a run. */
export class Trace {
  #events: TraceEvent[] = [];
  readonly #now: () => number;
  readonly #onNote: (at: MemberId, text: string) => void;

  constructor(now: () => number, onNote: (at: MemberId, text: string) => void = () => undefined) {
    this.#now = now;
    this.#onNote = onNote;
  }

  message(message: Message, lost: boolean): void {
    const { from, to } = message;
    const label = labelOf(message);
    this.#keep({ kind: "message", at_ms: this.#now(), from, to, message, label, lost });
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
export function labelOf(message: Message): string {
  return `${words(message)} t${message.term}`;
}

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
