import { WATCH_QUEUES_BYTES_MAX } from "../limits.ts";
import type { Chunk } from "./chunk.ts";

/** A watcher for whose reader something waits. */
export interface Lagging {
  /** The user, or the namespace of service accounts, that it is for. */
  readonly owner: string;
  /** Bytes that wait for its reader. */
  readonly waiting: number;
  /** Whether it has objects to send that later events may have replaced. */
  readonly isBeginning: boolean;
  /** Ends it, as too slow. */
  giveUp(): void;
}

/**
 * Bounds the bytes that wait for all slow readers of this process together: each has its own bound,
 * and thousands of them, each with a selection of its own, could still take all memory. Bytes that
 * several wait for exist once, and count once, as do objects that were replaced and are still among
 * the first that a watch has to send. Beyond the bound watchers of the owner with the most
 * waiting end, the longest queue first: many short queues of one user end no watch of others.
 */
export class WatchMemoryBudget {
  readonly #bytes_max: number;
  readonly #holders = new Map<Chunk, { count: number; bytes: number }>();
  readonly #chunks = new Map<Lagging, Set<Chunk>>();
  #bytes = 0;

  constructor(bytes_max = WATCH_QUEUES_BYTES_MAX) {
    this.#bytes_max = bytes_max;
  }

  /** Bytes of the chunks that are queued for at least one watcher. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A chunk waits for one more. Ends others, or this one, beyond the budget. */
  hold(watcher: Lagging, chunk: Chunk): void {
    const own = this.#chunks.get(watcher) ?? new Set<Chunk>();
    this.#chunks.set(watcher, own.add(chunk));
    const before = this.#holders.get(chunk) ?? { count: 0, bytes: 0 };
    const size = chunk.bytes.length + (watcher.isBeginning ? chunk.replaced : 0);
    const bytes = Math.max(before.bytes, size);
    this.#holders.set(chunk, { count: before.count + 1, bytes });
    this.#bytes += bytes - before.bytes;
    while (this.#bytes > this.#bytes_max && this.#chunks.size > 1) {
      const longest = this.#longest();
      this.leave(longest);
      longest.giveUp();
    }
  }

  /** Bytes that a watcher's reader has taken are released. */
  release(watcher: Lagging, chunks: readonly Chunk[]): void {
    const own = this.#chunks.get(watcher);
    if (own === undefined) return;
    for (const chunk of chunks) {
      if (!own.delete(chunk)) continue;
      const { count, bytes } = this.#holders.get(chunk)!;
      if (count > 1) this.#holders.set(chunk, { count: count - 1, bytes });
      else {
        this.#holders.delete(chunk);
        this.#bytes -= bytes;
      }
    }
    if (own.size === 0) this.#chunks.delete(watcher);
  }

  /** Removes a watcher that has nothing waiting. */
  leave(watcher: Lagging): void {
    this.release(watcher, [...(this.#chunks.get(watcher) ?? [])]);
  }

  #longest(): Lagging {
    const owned = new Map<string, number>();
    for (const { owner, waiting } of this.#chunks.keys()) {
      owned.set(owner, (owned.get(owner) ?? 0) + waiting);
    }
    const [most] = [...owned].reduce((a, b) => (b[1] > a[1] ? b : a));
    const own = [...this.#chunks.keys()].filter(({ owner }) => owner === most);
    return own.reduce((a, b) => (b.waiting > a.waiting ? b : a));
  }
}

/** The budget of this process: its memory is all its servers'. */
export const WATCH_MEMORY_BUDGET: WatchMemoryBudget = new WatchMemoryBudget();
