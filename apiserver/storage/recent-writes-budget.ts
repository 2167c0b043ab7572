import { RECENT_WRITES_BYTES_MAX, RECENT_WRITES_MAX } from "../limits.ts";

/** A write that is remembered, of any kind. */
export interface Remembered {
  readonly bytes: number;
  /** Called when it was the oldest and others needed its place. */
  forget(): void;
}

/**
 * Bounds what is remembered of the writes of all kinds of this process together: a write is of use
 * until the store's watch brings it back, and one of a kind that is seldom written would stay long.
 */
export class RecentWritesBudget {
  /** The oldest first. */
  readonly #writes = new Set<Remembered>();
  #bytes = 0;

  add(write: Remembered): void {
    this.#writes.add(write);
    this.#bytes += write.bytes;
    while (this.#writes.size > 1 && this.#full()) {
      const [oldest] = this.#writes;
      this.drop(oldest!);
      oldest!.forget();
    }
  }

  drop(write: Remembered): void {
    if (this.#writes.delete(write)) this.#bytes -= write.bytes;
  }

  #full(): boolean {
    return this.#writes.size > RECENT_WRITES_MAX || this.#bytes > RECENT_WRITES_BYTES_MAX;
  }
}

/** The budget of this process: its memory is all its servers'. */
export const RECENT_WRITES_BUDGET: RecentWritesBudget = new RecentWritesBudget();
