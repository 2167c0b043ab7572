import type { Clock, Timer } from "@raft2kube/std/clock.ts";

/** Deadlines are met this late at most: one timer serves all that fall in between. */
const GRAIN_MS = 20;

interface Expiring {
  expire(): void;
}

/** A deadline that has not passed. */
export interface Deadline {
  cancel(): void;
}

/** Many deadlines with one timer: adding and cancelling one costs next to nothing. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #slots = new Map<number, Set<Expiring>>();
  #timer: Timer | undefined;
  #timerSlot = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(after_ms: number, target: Expiring): Deadline {
    const slot = Math.ceil((this.#clock.monotonic() + after_ms) / GRAIN_MS);
    const targets = this.#slots.get(slot) ?? new Set();
    this.#slots.set(slot, targets);
    targets.add(target);
    if (!this.#timer || slot < this.#timerSlot) this.#arm(slot);
    return {
      cancel: () => {
        targets.delete(target);
        if (targets.size === 0) this.#slots.delete(slot);
      },
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#slots.clear();
  }

  #arm(slot: number): void {
    this.#timer?.cancel();
    this.#timerSlot = slot;
    const delay_ms = slot * GRAIN_MS - this.#clock.monotonic();
    this.#timer = this.#clock.after(Math.max(0, delay_ms), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic() / GRAIN_MS;
    for (const [slot, targets] of this.#slots) {
      if (slot > now) continue;
      this.#slots.delete(slot);
      for (const target of targets) target.expire();
    }
    let next = Infinity;
    for (const slot of this.#slots.keys()) next = Math.min(next, slot);
    if (next < Infinity) this.#arm(next);
  }
}
