import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { Compare_CompareResult, Compare_CompareTarget } from "@raft2kube/proto/gen/etcd.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import {
  COMPACTION_INTERVAL_MS,
  STORE_GROWTH_BYTES_MAX,
  STORE_GROWTH_BYTES_MIN,
  STORE_LOOK_MS,
} from "../limits.ts";
import { periodic } from "../periodic.ts";
import { spaceLeft, usedBytes, type WriteBudget } from "./write-budget.ts";

/** Upstream's key: its version decides which of several apiservers compacts. */
const COMPACT_KEY = Buffer.from("compact_rev_key");

/**
 * Drops the store's history from before the last interval, and sooner where the store grows fast
 * (not upstream's): changes of one object may fill its quota within two minutes. Of several
 * apiservers one wins each round by the key's version; the others learn the new round from it.
 */
export class Compactor {
  readonly #etcd: EtcdClient;
  readonly #writes: WriteBudget;
  readonly #compacting: Runner;
  readonly #looks: Runner;
  /** The least size of the store since the last compaction for its growth. */
  #least_bytes = Infinity;
  #version = 0;
  /** The revision that the next round may compact: the store's at this round. */
  #revision = 0;
  readonly #compacted: (revision: number) => void;

  /** `compacted` is called for each compaction, also one of another server. */
  constructor(
    etcd: EtcdClient,
    clock: Clock,
    writes: WriteBudget,
    compacted: (revision: number) => void,
  ) {
    this.#etcd = etcd;
    this.#writes = writes;
    this.#compacted = compacted;
    this.#compacting = periodic(
      clock,
      "the store was not compacted",
      COMPACTION_INTERVAL_MS,
      () => this.#compact(),
      COMPACTION_INTERVAL_MS,
    );
    this.#compacting.request(COMPACTION_INTERVAL_MS);
    const what = "the store's size was not looked at";
    this.#looks = periodic(clock, what, STORE_LOOK_MS, () => this.#look());
    this.#looks.request(STORE_LOOK_MS);
  }

  /** Compacts a store that has grown, back to the revision of the compaction before this one. */
  async #look(): Promise<void> {
    const size = await this.#etcd.status();
    this.#writes.looked(size);
    const used_bytes = usedBytes(size);
    this.#least_bytes = Math.min(this.#least_bytes, used_bytes);
    // Before the room is used up: each compaction leaves what was written since the last.
    const growth_bytes = Math.max(STORE_GROWTH_BYTES_MIN, spaceLeft(size) / 3);
    const grown_bytes = used_bytes - this.#least_bytes;
    if (grown_bytes < Math.min(growth_bytes, STORE_GROWTH_BYTES_MAX)) return;
    this.#least_bytes = used_bytes;
    await this.#compact();
  }

  async #compact(): Promise<void> {
    const answer = await this.#etcd.txn({
      compare: [
        {
          key: COMPACT_KEY,
          target: Compare_CompareTarget.VERSION,
          result: Compare_CompareResult.EQUAL,
          version: this.#version,
        },
      ],
      success: [{ requestPut: { key: COMPACT_KEY, value: Buffer.from(String(this.#revision)) } }],
      failure: [{ requestRange: { key: COMPACT_KEY } }],
    });
    const now = answer.header?.revision ?? 0;
    if (!answer.succeeded) {
      const found = answer.responses[0]?.responseRange?.kvs[0];
      this.#version = found?.version ?? 0;
      this.#revision = now;
      this.#compacted(Number(found?.value.toString("utf8") ?? 0));
      return;
    }
    this.#version++;
    const target = this.#revision;
    this.#revision = now;
    if (target === 0) return;
    // Another client may have gone further already.
    const isCompacted = (thrown: unknown) => isEtcdError(thrown, "compacted");
    await tolerate(this.#etcd.compact({ revision: target }), isCompacted);
    this.#compacted(target);
  }

  async close(): Promise<void> {
    await Promise.all([this.#compacting.close(), this.#looks.close()]);
  }
}
