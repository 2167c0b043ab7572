import type { Entry } from "@raft2kube/store/core/types.ts";
import { decodeCommand, ticketOf } from "@raft2kube/store/mvcc/command.ts";
import { type KvInput, kvStep } from "../../../testing/history/kv-model.ts";
import {
  EMPTY_STATE,
  type KvState,
  describeKvState,
  describeRec,
} from "../../../testing/history/kv-state.ts";
import type { RevisionEvents } from "./watches.ts";

/** The outcome of a command, by the model. */
export interface Applied {
  index: number;
  input: KvInput;
  answer: string;
}

/**
 * The committed log as the model reads it: what every member's state, every answer and every watch
 * is compared with.
 */
export class ReferenceLog {
  state: KvState = EMPTY_STATE;
  readonly revisions: RevisionEvents[] = [];
  readonly #byTicket = new Map<string, Applied[]>();

  /** Takes the next committed entry; returns what it did. */
  append(entry: Entry): Applied | undefined {
    if (entry.change || entry.data.length === 0) return undefined;
    const input = decodeCommand(entry.data);
    const { answer, state, events } = kvStep(this.state, input);
    if (events.length > 0) {
      const recorded = events.map(({ key, rec, previous }) => ({
        key,
        what: rec ? `PUT ${describeRec(key, rec)}` : `DELETE ${key}`,
        over: previous ? ` over ${describeRec(key, previous)}` : "",
      }));
      this.revisions.push({ revision: state.revision, events: recorded });
    }
    this.state = state;
    const applied = { index: entry.index, input, answer };
    const ticket = ticketOf(entry.data);
    const name = ticketName(ticket.session, ticket.sequence);
    this.#byTicket.set(name, [...(this.#byTicket.get(name) ?? []), applied]);
    return applied;
  }

  /** Describes the state as it is now, whenever it is called; each member asks. */
  get digest(): () => string {
    const { state } = this;
    let recorded: string | undefined;
    return () => (recorded ??= describeKvState(state));
  }

  /**
   * Returns the entries of a proposal in the log: nothing, once, or, if the store is wrong, twice.
   */
  applied(ticket: string): readonly Applied[] {
    return this.#byTicket.get(ticket) ?? [];
  }

  /** Commands whose proposal is not in `known`: the store's own. */
  others(known: ReadonlySet<string>): Applied[] {
    return [...this.#byTicket].flatMap(([name, applied]) => (known.has(name) ? [] : applied));
  }
}

export function ticketName(session: number, sequence: number): string {
  return `${session}/${sequence}`;
}
