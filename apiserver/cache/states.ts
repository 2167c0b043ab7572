import type { OrderedTree } from "@raft2kube/std/ordered-tree.ts";
import { STATES_MAX } from "../limits.ts";
import type { Entry } from "../object/entry.ts";

export type State = OrderedTree<Entry>;

/** Sorts after every key with a given prefix: keys are UTF-8, which has no such character. */
const LAST = "\uffff";

/**
 * Visits a state's entries from `start` on whose keys start with `prefix`, in order, until `visit`
 * says false.
 */
export function walkFrom(
  state: State,
  start: string,
  prefix: string,
  visit: (entry: Entry) => boolean | void,
): void {
  state.walk(start, prefix + LAST, visit);
}

/** How many entries follow `key` below `prefix`. */
export function countBehind(state: State, prefix: string, key: string): number {
  return state.count(`${key}\0`, prefix + LAST);
}

/**
 * The states of a cache at its last revisions, each a tree that shares almost all nodes with its
 * neighbours.
 */
export class States {
  /** Ascending; each holds from its revision to the next one's. */
  #states: { revision: number; state: State }[];

  constructor(revision: number, state: State) {
    this.#states = [{ revision, state }];
  }

  /** Several changes of one revision leave the last. */
  push(revision: number, state: State): void {
    if (this.#states.at(-1)?.revision === revision) this.#states.pop();
    this.#states.push({ revision, state });
    // Cut rarely, so that a push need not move the whole array.
    if (this.#states.length > 2 * STATES_MAX) this.#states = this.#states.slice(-STATES_MAX);
  }

  /** The state at `revision`, which is not ahead of the newest; undefined when it is forgotten. */
  at(revision: number): State | undefined {
    return this.#states[this.#indexAt(revision)]?.state;
  }

  /** Drops the states before `revision`: the store has dropped them too. */
  forgetBefore(revision: number): void {
    const first = this.#indexAt(revision);
    if (first < 0) return;
    this.#states = this.#states.slice(first);
    // States below `revision` are dropped too.
    const [oldest] = this.#states;
    if (oldest && oldest.revision < revision) this.#states[0] = { revision, state: oldest.state };
  }

  /** The last state that is not behind `revision`; -1 when all are. */
  #indexAt(revision: number): number {
    let low = 0;
    let high = this.#states.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#states[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
