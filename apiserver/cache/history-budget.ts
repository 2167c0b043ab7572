import { HISTORIES_BYTES_MAX } from "../limits.ts";

/** A history that shares the budget. */
interface Kept {
  readonly bytes: number;
  /** Bytes of the events; the last one stays. */
  readonly size: number;
  dropOldest(): void;
}

/**
 * Bounds what the histories of all resources of this process take together: each has its own
 * bound, and hundreds of kinds could still take all memory. Beyond it the largest are shortened.
 */
export class HistoryBudget {
  readonly #histories = new Set<Kept>();
  #bytes = 0;

  /** A history has grown by `bytes`, or shrunk if negative. */
  changed(history: Kept, bytes: number): void {
    this.#histories.add(history);
    this.#bytes += bytes;
  }

  leave(history: Kept): void {
    if (this.#histories.delete(history)) this.#bytes -= history.bytes;
  }

  /** Shortens the largest histories until all of them fit. */
  fit(): void {
    while (this.#bytes > HISTORIES_BYTES_MAX) {
      let largest: Kept | undefined;
      for (const each of this.#histories) {
        if (each.size > 1 && each.bytes > (largest?.bytes ?? 0)) largest = each;
      }
      if (largest === undefined) return;
      largest.dropOldest();
    }
  }
}

/** The budget of this process: its memory is all its servers'. */
export const HISTORY_BUDGET: HistoryBudget = new HistoryBudget();
