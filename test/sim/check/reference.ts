import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Entry } from "@raft2kube/store/core/types.ts";
import { decodeCommand, ticketOf } from "@raft2kube/store/mvcc/apply/command.ts";
import { type KvInput, kvStep, text } from "../../../testing/history/kv-model.ts";
import {
  describeKvState,
  describeRec,
  EMPTY_STATE,
  type KvState,
  keysIn,
} from "../../../testing/history/kv-state.ts";
import { Counters } from "../world/counters.ts";
import type { RevisionEvents } from "./watches.ts";

/** The outcome of a command, by the model. */
export type Applied = { index: number; term: number; input: KvInput; answer: string };

/**
 * The committed log as the model reads it: what every member's state, every answer and every watch
 * is compared with.
 */
export class ReferenceLog {
  state: KvState = EMPTY_STATE;
  readonly revisions: RevisionEvents[] = [];
  /** Which comparisons transactions have made. */
  readonly compares = new Counters();
  readonly #states: KvState[] = [];
  readonly #byTicket = new Map<string, Applied[]>();

  /** The state once an entry is applied. */
  at(index: number): KvState {
    return this.#states[index] ?? EMPTY_STATE;
  }

  /** Takes the next committed entry; returns what it did. */
  append(entry: Entry): Applied | undefined {
    const applied = this.#append(entry);
    this.#states[entry.index] = this.state;
    return applied;
  }

  #append(entry: Entry): Applied | undefined {
    if (entry.change || entry.data.length === 0) return undefined;
    const input = decodeCommand(entry.data);
    if (input.kind === "txn") this.#noteCompares(input.request);
    const { answer, state, events } = kvStep(this.state, input);
    if (events.length > 0) {
      const recorded = events.map(({ key, rec, previous }) => ({
        key,
        rec,
        what: rec ? `PUT ${describeRec(key, rec)}` : `DELETE ${key}`,
        over: previous ? ` over ${describeRec(key, previous)}` : "",
      }));
      this.revisions.push({ revision: state.revision, events: recorded });
    }
    this.state = state;
    const applied = { index: entry.index, term: entry.term, input, answer };
    const ticket = ticketOf(entry.data);
    const name = ticketName(ticket.session, ticket.sequence);
    this.#byTicket.set(name, [...(this.#byTicket.get(name) ?? []), applied]);
    return applied;
  }

  #noteCompares({ compare }: TxnRequest): void {
    for (const { target, result, key, rangeEnd } of compare) {
      const found = keysIn(this.state, text(key), text(rangeEnd)).length > 0;
      this.compares.note(compareName(target, result, found));
    }
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

/** The name of a value of an enumeration. */
function nameIn(values: Record<string, number>, value: number): string | undefined {
  return Object.keys(values).find((name) => values[name] === value);
}

function compareName(target: number, result: number, found: boolean): string {
  const what = `${nameIn(Target, target)} ${nameIn(Result, result)}`;
  return `compared ${what} of ${found ? "a key" : "a missing key"}`;
}

/** Each comparison that a transaction can make. */
export const COMPARES: readonly string[] = Object.values(Target).flatMap((target) => {
  return Object.values(Result).flatMap((result) => {
    return [true, false].map((found) => compareName(target, result, found));
  });
});

export const ticketName = (session: number, sequence: number): string => `${session}/${sequence}`;
