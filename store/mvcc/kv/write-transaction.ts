import type { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import type { KeyRange } from "../../structures/key-range.ts";
import type { Change } from "../records/recent.ts";
import type { State } from "../state/state.ts";

/**
 * The changes of one revision (S3). They are in the index immediately, so that later operations of
 * the same transaction see them; all checks come before the first change. `commit` makes the
 * revision, if anything changed.
 */
export class WriteTransaction {
  readonly #state: State;
  readonly #main: number;
  readonly #changes: Change[] = [];

  constructor(state: State) {
    this.#state = state;
    this.#main = state.revision + 1;
  }

  /** The revision that a read inside the transaction sees. */
  get revision(): number {
    // lab:06 begin transaction-revision
    return this.#changes.length > 0 ? this.#main : this.#state.revision;
    // lab:06 end
  }

  /** A record as of this transaction, its own changes included. */
  read(main: number, sub: number): KeyValue {
    const own = main === this.#main ? this.#changes[sub] : undefined;
    return own ? own.kv : this.#state.records.read(main, sub);
  }

  /** Writes one key. Key and value are copied: requests hold views of whole network frames. */
  put(key: string, value: Buffer, lease: bigint): void {
    // lab:06 begin transaction-put
    const sub = this.#changes.length;
    const { index, slabs } = this.#state;
    const { createRevision, version } = index.put(key, this.#main, sub);
    const kv: KeyValue = {
      key: slabs.write(key),
      createRevision,
      modRevision: this.#main,
      version,
      value: slabs.copy(value),
      lease,
    };
    this.#changes.push({ key, kv, deleted: false });
    this.#state.leases.attach(key, lease);
    // lab:06 end
  }

  /** Deletes the keys of a range; returns how many there were. */
  delete(range: KeyRange): number {
    const keys: string[] = [];
    this.#state.index.visit(range, this.#main, (key) => {
      keys.push(key);
      return undefined;
    });
    for (const key of keys) this.#deleteKey(key);
    return keys.length;
  }

  #deleteKey(key: string): void {
    this.#state.index.tombstone(key, this.#main, this.#changes.length);
    const kv: KeyValue = {
      key: this.#state.slabs.write(key),
      createRevision: 0,
      modRevision: this.#main,
      version: 0,
      value: NO_BYTES,
      lease: 0n,
    };
    this.#changes.push({ key, kv, deleted: true });
    this.#state.leases.attach(key, 0n);
  }

  /** The changes of the committed transaction, in order. */
  get committed(): readonly Change[] {
    return this.#changes;
  }

  /** Makes the revision of the changes, if there are any. */
  commit(): void {
    // lab:06 begin transaction-commit
    if (this.#changes.length === 0) return;
    this.#state.recent.add(this.#main, this.#changes);
    this.#state.revision = this.#main;
    // lab:06 end
  }
}
