import { Spread } from "@raft2kube/observe/families.ts";

const SIZE_BOUNDS = Array.from({ length: 8 }, (_, i) => 1_024 * 2 ** i);
const LIST_BOUNDS_S = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60];

/** What is counted of those who watch one version of a resource. */
export class WatchMetrics {
  /** Bytes of each event that was sent, as often as it was. */
  readonly sizes: Spread = new Spread(SIZE_BOUNDS);
  /** Time until a watch that begins with all objects has told them, by scope. */
  readonly #lists = new Map<string, Spread>();

  listedIn(scope: string): Spread {
    let spread = this.#lists.get(scope);
    if (!spread) this.#lists.set(scope, (spread = new Spread(LIST_BOUNDS_S)));
    return spread;
  }

  get lists(): ReadonlyMap<string, Spread> {
    return this.#lists;
  }
}
