import { STORE_BUDGETED_PAGE_KEYS, STORE_FIRST_PAGE_KEYS, STORE_PAGE_BYTES } from "../limits.ts";
import type { RowPage } from "../storage/rows.ts";

/** Bounds the pages in which one list reads the store by the size of its objects. */
export class StorePages {
  readonly #hold: (bytes: number) => () => void;
  #giveAll = () => undefined as void;
  #keys = STORE_FIRST_PAGE_KEYS;

  /** `hold` counts the bytes of each page, and throws when there are too many. */
  constructor(hold: (bytes: number) => () => void) {
    this.#hold = hold;
  }

  /** All that was read is sent. */
  sent(): void {
    this.#giveAll();
  }

  /** The keys of the next page, of at most `limit`. */
  keysOf(limit: number): number {
    return Math.min(limit, this.#keys);
  }

  /** Counts a page. Throws 429. */
  add({ rows }: RowPage): void {
    const bytes = rows.reduce((sum, { value }) => sum + value.length, 0);
    this.#giveAll = this.#hold(bytes);
    const fitting = Math.floor((STORE_PAGE_BYTES * rows.length) / Math.max(1, bytes));
    // The objects that follow may be larger.
    this.#keys = Math.min(Math.max(1, fitting), STORE_BUDGETED_PAGE_KEYS);
  }
}
