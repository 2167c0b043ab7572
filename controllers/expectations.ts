import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { EXPECTATIONS_MS } from "./limits.ts";

interface Expected {
  /** Uid of the owner: what an earlier object of its name wrote is not awaited. */
  uid: string | undefined;
  creations: number;
  deletions: Set<string>;
  since_ms: number;
}

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
   * Replaces what is expected of an owner's objects. Deletions are distinguished by the objects'
   * keys: a late event of an earlier one must not count.
   */
  expect(owner: KubeObject, creations: number, deletions: readonly string[]): void {
    // lab:08 begin expect
    const since_ms = this.#clock.monotonic();
    const { uid } = owner.metadata;
    const expected = { uid, creations, deletions: new Set(deletions), since_ms };
    this.#expected.set(keyOf(owner), expected);
    // lab:08 end
  }

  /** One creation was seen, or failed. */
  creationObserved(owner: KubeObject): void {
    // lab:08 begin creation-observed
    const expected = this.#of(owner);
    if (expected && expected.creations > 0) expected.creations -= 1;
    // lab:08 end
  }

  /** One deletion was seen (a deletionTimestamp is enough), or failed. */
  deletionObserved(owner: KubeObject, object: string): void {
    // lab:08 begin deletion-observed
    this.#of(owner)?.deletions.delete(object);
    // lab:08 end
  }

  /** Whether nothing is expected of this owner, or its expectations are given up. */
  satisfied(owner: KubeObject): boolean {
    // lab:08 begin satisfied
    const expected = this.#of(owner);
    if (!expected) return true;
    if (expected.creations === 0 && expected.deletions.size === 0) return true;
    return this.#clock.monotonic() - expected.since_ms > EXPECTATIONS_MS;
    // lab:08 end
  }

  /**
   * Returns when a loop looks at an owner again: after `wait_ms`, or when what is still unmet is
   * given up, whichever is earlier; the event that it waits for may never come.
   */
  lookAgain(owner: KubeObject, wait_ms = Infinity): { again_ms: number } | undefined {
    const again_ms = Math.min(wait_ms, this.satisfied(owner) ? Infinity : EXPECTATIONS_MS);
    return again_ms === Infinity ? undefined : { again_ms };
  }

  /** The owner with this key is gone. */
  forget(key: string): void {
    this.#expected.delete(key);
  }

  #of(owner: KubeObject): Expected | undefined {
    const expected = this.#expected.get(keyOf(owner));
    return expected?.uid === owner.metadata.uid ? expected : undefined;
  }
}
