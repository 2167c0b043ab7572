import type { Clock } from "@raft2kube/std/clock.ts";
import { EXPECTATIONS_MS } from "./limits.ts";

type Expected = { creations: number; deletions: Set<string>; since_ms: number };

/**
 * The writes of a controller that its informer has not shown yet. While one is expected the
 * controller must not count objects: it would create or delete twice. Expectations that stay unmet
 * for more than EXPECTATIONS_MS are given up, as upstream.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #expected = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Replaces what is expected of a key. Deletions are distinguished by the objects' keys: a late
   * event of an earlier one must not count.
   */
  expect(key: string, creations: number, deletions: readonly string[]): void {
    // lab:08 begin expect
    const since_ms = this.#clock.monotonic();
    this.#expected.set(key, { creations, deletions: new Set(deletions), since_ms });
    // lab:08 end
  }

  /** One creation was seen, or failed. */
  creationObserved(key: string): void {
    // lab:08 begin creation-observed
    const expected = this.#expected.get(key);
    if (expected && expected.creations > 0) expected.creations -= 1;
    // lab:08 end
  }

  /** One deletion was seen (a deletionTimestamp is enough), or failed. */
  deletionObserved(key: string, object: string): void {
    // lab:08 begin deletion-observed
    this.#expected.get(key)?.deletions.delete(object);
    // lab:08 end
  }

  /** Whether nothing is expected of this key, or its expectations are given up. */
  satisfied(key: string): boolean {
    // lab:08 begin satisfied
    const expected = this.#expected.get(key);
    if (!expected) return true;
    if (expected.creations === 0 && expected.deletions.size === 0) return true;
    return this.#clock.monotonic() - expected.since_ms > EXPECTATIONS_MS;
    // lab:08 end
  }

  /** The controller's object is gone. */
  forget(key: string): void {
    this.#expected.delete(key);
  }
}
