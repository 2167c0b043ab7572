import { exponentialBounds } from "@raft2kube/observe/families.ts";

/** Buckets of requests and of calls to the store, in seconds (upstream's). */
export const REQUEST_BOUNDS_S = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60,
];
/** The same for service level objectives, which start at 50 ms. */
export const PROMISE_BOUNDS_S = REQUEST_BOUNDS_S.filter((bound) => bound >= 0.05);
/** Buckets of authentication's and authorization's durations. */
export const ACCESS_BOUNDS_S = exponentialBounds(0.001, 2, 15);

/** The type of a metric that is one number, by which upstream names it. */
export const typeOf = (name: string): "counter" | "gauge" =>
  name.endsWith("_total") ? "counter" : "gauge";

export type Labels = Readonly<Record<string, string>>;

/** Values by key, each created at its first use. */
export class Known<T> {
  readonly #known = new Map<string, T>();

  of(key: string, make: () => T): T {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#known.set(key, made);
    return made;
  }

  entries(): [key: string, value: T][] {
    return [...this.#known];
  }
}
