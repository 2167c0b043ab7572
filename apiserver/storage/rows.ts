import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { PLAIN, type ValueEncryption } from "@raft2kube/encryption/value-encryption.ts";
import type { KeyValue, ResponseHeader, TxnResponse } from "@raft2kube/proto/gen/etcd.ts";
import { Compare_CompareResult, Compare_CompareTarget } from "@raft2kube/proto/gen/etcd.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import { StoreMetrics } from "../metrics/resource-metrics.ts";

/** One key of the store with its value. */
export interface Row {
  key: string;
  value: Buffer;
  /** The store's revision when the row was last written. */
  revision: number;
  /** The store holds it in another form than it would be written in now. */
  stale?: boolean;
  /** The bytes in the store, where `value` was converted from another version. */
  stored?: Buffer;
}

type PageOptions = { start?: string; limit: number; revision?: number };

export interface RowPage extends Omit<RawPage, "kvs"> {
  rows: Row[];
}

interface RawPage {
  kvs: KeyValue[];
  /** The revision that the page shows. */
  revision: number;
  /** Whether more rows follow the last one. */
  more: boolean;
  /** Rows from the page's start to the end of the range, those on the page included. */
  count: number;
}

/** A write whose condition failed: what is there now, undefined when nothing is. */
export type Written = { done: true; revision: number } | { done: false; current: Row | undefined };

/**
 * The store as the apiserver uses it: the four shapes of transaction, and ranges. Keys are text,
 * values are encrypted on the way in and decrypted on the way out.
 */
export class Rows {
  readonly #etcd: EtcdClient;
  readonly #encryption: ValueEncryption;
  readonly #metrics: StoreMetrics;

  constructor(
    etcd: EtcdClient,
    valueEncryption: ValueEncryption = PLAIN,
    metrics: StoreMetrics = new StoreMetrics(),
  ) {
    this.#etcd = etcd;
    this.#encryption = valueEncryption;
    this.#metrics = metrics;
  }

  async get(key: string): Promise<{ row: Row | undefined; revision: number }> {
    const asked = this.#etcd.range({ key: Buffer.from(key) });
    const answer = await this.#metrics.calls.get.timed(asked);
    const found = answer.kvs[0];
    if (found !== undefined) await this.prepare([found]);
    return { row: found && this.rowOf(found), revision: revisionOf(answer.header) };
  }

  /** Writes `key` if it does not exist. `lease` ends the row's life when it runs out. */
  async create(key: string, value: Buffer, lease?: bigint): Promise<Written> {
    const put = { requestPut: this.#put(key, value, lease) };
    return await this.#metrics.calls.create.timed(this.#swap(key, 0, put));
  }

  /** Replaces `key` if it was last written at `revision`. */
  async replace(key: string, revision: number, value: Buffer, lease?: bigint): Promise<Written> {
    const put = { requestPut: this.#put(key, value, lease) };
    return await this.#metrics.calls.update.timed(this.#swap(key, revision, put));
  }

  #put(key: string, value: Buffer, lease: bigint | undefined) {
    return {
      key: Buffer.from(key),
      value: this.#encryption.encrypt(key, value),
      lease: lease ?? 0n,
    };
  }

  /** Removes `key` if it was last written at `revision`. */
  async remove(key: string, revision: number): Promise<Written> {
    const removal = { requestDeleteRange: { key: Buffer.from(key) } };
    return await this.#metrics.calls.delete.timed(this.#swap(key, revision, removal));
  }

  /**
   * Executes `write` if `key` was last modified at `revision` (0: does not exist), in one
   * transaction with the comparison. Otherwise nothing is written, and the same transaction reads
   * what is there.
   */
  async #swap(key: string, revision: number, write: object): Promise<Written> {
    // lab:07c begin swap
    const answer = await this.#etcd.txn({
      compare: [
        {
          key: Buffer.from(key),
          target: Compare_CompareTarget.MOD,
          result: Compare_CompareResult.EQUAL,
          modRevision: revision,
        },
      ],
      success: [write],
      failure: [{ requestRange: { key: Buffer.from(key) } }],
    });
    return await this.#writtenOf(answer);
    // lab:07c end
  }

  async #writtenOf(answer: TxnResponse): Promise<Written> {
    if (answer.succeeded) return { done: true, revision: revisionOf(answer.header) };
    const found = answer.responses[0]?.responseRange?.kvs[0];
    if (found !== undefined) await this.prepare([found]);
    return { done: false, current: found && this.rowOf(found) };
  }

  /**
   * Gets the keys of values, for `rowOf`; undefined where none has to be asked for. Rejects with
   * EncryptionError when they cannot be.
   */
  prepare(kvs: readonly KeyValue[]): Promise<void> | undefined {
    return this.#encryption.prepare?.(kvs.map(({ value }) => value));
  }

  /**
   * A key as the store's answers and watches have it, once it was prepared. Throws EncryptionError.
   */
  rowOf(kv: KeyValue): Row {
    const key = kv.key.toString("utf8");
    const { value, stale } = this.#encryption.decrypt(key, kv.value);
    return { key, value, revision: kv.modRevision, ...(stale ? { stale } : {}) };
  }

  /** Up to `limit` rows from `start` to the end of `prefix`, as of `revision` (0: now). */
  async page(prefix: string, options: PageOptions): Promise<RowPage> {
    const { kvs, ...page } = await this.range(prefix, options);
    return { ...page, rows: kvs.map((kv) => this.rowOf(kv)) };
  }

  /** The same, prepared and before values are opened. */
  async range(prefix: string, options: PageOptions): Promise<RawPage> {
    const asked = this.#etcd.range({
      key: Buffer.from(options.start ?? prefix),
      rangeEnd: prefixEnd(prefix),
      limit: options.limit,
      revision: options.revision ?? 0,
    });
    const answer = await this.#metrics.calls.list.timed(asked);
    this.#metrics.listFetched.add(answer.kvs.length);
    await this.prepare(answer.kvs);
    return {
      kvs: answer.kvs,
      revision: options.revision || revisionOf(answer.header),
      more: answer.more,
      count: answer.count,
    };
  }

  /** How many keys start with `prefix`. */
  async count(prefix: string): Promise<number> {
    const range = { key: Buffer.from(prefix), rangeEnd: prefixEnd(prefix), countOnly: true };
    return (await this.#etcd.range(range, { timeout_ms: STORE_CHECK_TIMEOUT_MS })).count;
  }

  /** The store's revision now, confirmed by its quorum. */
  async revision(): Promise<number> {
    const key = Buffer.from("/registry/");
    const answer = await this.#etcd.range({ key, rangeEnd: key, keysOnly: true });
    return revisionOf(answer.header);
  }
}

function revisionOf(header: ResponseHeader | undefined): number {
  assert(header !== undefined && header.revision > 0, "the store answered without a revision");
  return header.revision;
}

/** The first key after every key that starts with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  assert(last >= 0 && end[last]! < 0xff, `no end for the prefix ${JSON.stringify(prefix)}`);
  end[last] = end[last]! + 1;
  return end;
}
