import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Backend } from "../../backend/backend.ts";
import type { RecentRevisions } from "./recent.ts";
import type { RecordCache } from "./record-cache.ts";
import { recordKey } from "./revision.ts";

/** Reads records by revision: the recent ones, then the cache, then the backend. */
export class Records {
  readonly #recent: RecentRevisions;
  readonly #cache: RecordCache;
  readonly #backend: Backend;

  constructor(recent: RecentRevisions, cache: RecordCache, backend: Backend) {
    this.#recent = recent;
    this.#cache = cache;
    this.#backend = backend;
  }

  /** The record that the index says is there; its absence means that the backend lost data. */
  read(main: number, sub: number): KeyValue {
    const found = this.#recent.get(main, sub)?.kv ?? this.#cache.get(main, sub);
    if (found) return found;
    const bytes = this.#backend.getSync(recordKey(main, sub, false));
    assert(bytes, () => `the backend has no record of revision ${main}/${sub}`);
    const record = KeyValue.decode(bytes);
    this.#cache.set(main, sub, record);
    return record;
  }
}
