import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { Compare_CompareResult, Compare_CompareTarget } from "@raft2kube/proto/gen/etcd.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { COMPACTION_INTERVAL_MS } from "../limits.ts";
import { periodic } from "../periodic.ts";

/** Upstream's key: its version decides which of several apiservers compacts. */
const COMPACT_KEY = Buffer.from("compact_rev_key");

/**
 * Drops the store's history from before the last interval. Of several apiservers one wins each
 * round by the key's version; the others learn the new round from it.
 */
export class Compactor {
  readonly #etcd: EtcdClient;
  readonly #compacting: Runner;
  #version = 0;
  /** The revision that the next round may compact: the store's at this round. */
  #revision = 0;
  readonly #compacted: (revision: number) => void;

  /** `compacted` is called for each compaction, also one of another server. */
  constructor(etcd: EtcdClient, clock: Clock, compacted: (revision: number) => void) {
    this.#etcd = etcd;
    this.#compacted = compacted;
    this.#compacting = periodic(
      clock,
      "the store was not compacted",
      COMPACTION_INTERVAL_MS,
      () => this.#compact(),
      COMPACTION_INTERVAL_MS,
    );
    this.#compacting.request(COMPACTION_INTERVAL_MS);
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
    await this.#compacting.close();
  }
}
