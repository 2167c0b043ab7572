import type { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { assert } from "@raft2kube/std/assert.ts";

/**
 * One key changed in a revision. For a deletion `kv` has the key and the revision only, as etcd
 * stores it.
 */
export type Change = { key: string; kv: KeyValue; deleted: boolean };

type RecentRevision = { changes: Change[]; bytes: number };

/** A change's bytes beside key and value: the record, its two buffers, its list item. */
const CHANGE_OVERHEAD_BYTES = 400;

/**
 * The latest revisions, whole: records not yet in the backend, and before them as many as fit in
 * `retained_bytes`. Reads of new records, the flush and watches that are a little behind are all
 * served from here.
 */
export class RecentRevisions {
  readonly #retainedBytes_max: number;
  /** Revisions #first, #first + 1, ...: every revision changed something, so there are no gaps. */
  #revisions: RecentRevision[] = [];
  #head = 0;
  #first: number;
  #flushed: number;
  #flushedBytes = 0;
  #unflushedBytes = 0;

  /** `revision` is the last one, already in the backend. */
  constructor(revision: number, retainedBytes_max: number) {
    this.#retainedBytes_max = retainedBytes_max;
    this.#first = revision + 1;
    this.#flushed = revision;
  }

  /** The oldest revision held; one past the last when none is. */
  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#first + this.#revisions.length - this.#head - 1;
  }

  get flushed(): number {
    return this.#flushed;
  }

  get unflushedBytes(): number {
    return this.#unflushedBytes;
  }

  add(main: number, changes: Change[]): void {
    assert(main === this.last + 1, () => `revision ${main} after ${this.last}`);
    let bytes = 0;
    for (const { key, kv } of changes) {
      bytes += key.length + kv.value.length + CHANGE_OVERHEAD_BYTES;
    }
    this.#revisions.push({ changes, bytes });
    this.#unflushedBytes += bytes;
  }

  /** The changes of a revision held here. */
  changes(main: number): Change[] | undefined {
    return this.#revisions[main - this.#first + this.#head]?.changes;
  }

  get(main: number, sub: number): Change | undefined {
    return this.changes(main)?.[sub];
  }

  /** Revisions up to `main` are in the backend now. */
  flushedTo(main: number): void {
    for (let revision = this.#flushed + 1; revision <= main; revision++) {
      const { bytes } = this.#revisions[revision - this.#first + this.#head]!;
      this.#unflushedBytes -= bytes;
      this.#flushedBytes += bytes;
    }
    this.#flushed = Math.max(this.#flushed, main);
    this.#evict();
  }

  #evict(): void {
    while (this.#flushedBytes > this.#retainedBytes_max && this.#first <= this.#flushed) {
      this.#flushedBytes -= this.#revisions[this.#head]!.bytes;
      // Not shifted one by one: that would copy the whole list each time.
      this.#revisions[this.#head] = { changes: [], bytes: 0 };
      this.#head++;
      this.#first++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#revisions.length) {
      this.#revisions = this.#revisions.slice(this.#head);
      this.#head = 0;
    }
  }
}
