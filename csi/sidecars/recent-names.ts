import type { Clock } from "@raft2kube/std/clock.ts";

/** Names that are kept for a time: a name is removed before if it is no longer needed. */
export class RecentNames {
  readonly #clock: Clock;
  readonly #kept_ms: number;
  /** Monotonic times of their addition, the oldest first. */
  readonly #added = new Map<string, number>();

  constructor(clock: Clock, kept_ms: number) {
    this.#clock = clock;
    this.#kept_ms = kept_ms;
  }

  add(name: string): void {
    this.#removeOld();
    this.#added.delete(name);
    this.#added.set(name, this.#clock.monotonic());
  }

  delete(name: string): void {
    this.#added.delete(name);
  }

  has(name: string): boolean {
    this.#removeOld();
    return this.#added.has(name);
  }

  get size(): number {
    return this.#added.size;
  }

  #removeOld(): void {
    const now_ms = this.#clock.monotonic();
    for (const [name, added_ms] of this.#added) {
      if (now_ms - added_ms < this.#kept_ms) return;
      this.#added.delete(name);
    }
  }
}
