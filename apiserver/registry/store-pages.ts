import { STORE_BUDGETED_PAGE_KEYS, STORE_FIRST_PAGE_KEYS, STORE_PAGE_BYTES } from "../limits.ts";
import type { RowPage } from "../storage/rows.ts";

/** Bounds the pages in which one list, or the beginning of a watch, reads the store by the size of its objects. */
export class StorePages {
  readonly #hold: (bytes: number) => () => void;
  #giveAll = () => undefined as void;
  #isHeld = false;
  #keys = STORE_FIRST_PAGE_KEYS;

  /**
   * `hold` counts the bytes of each page, and throws when there are too many; it returns how to
   * give all of them back.
   */
  constructor(hold: (bytes: number) => () => void) {
    this.#hold = hold;
  }

  /** Gives back what counts, since all of it was sent. */
  sent(): void {
    this.#giveAll();
    this.#isHeld = false;
  }

  /** Whether something was read, and not all of it is sent. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** The keys of the next page, of at most `limit`. */
  keysOf(limit: number): number {
    return Math.min(limit, this.#keys);
  }

  /** Counts a page. Throws 429. */
  add({ rows }: RowPage): void {
    const bytes = rows.reduce((sum, { value }) => sum + value.length, 0);
    this.#giveAll = this.#hold(bytes);
    this.#isHeld = true;
    const fitting = Math.floor((STORE_PAGE_BYTES * rows.length) / Math.max(1, bytes));
    // The objects that follow may be larger.
    this.#keys = Math.min(Math.max(1, fitting), STORE_BUDGETED_PAGE_KEYS);
  }
}
