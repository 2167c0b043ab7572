import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { Compare_CompareResult, Compare_CompareTarget } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { COMPACTION_INTERVAL_MS } from "../limits.ts";

const log = logger("apiserver");

/** Upstream's key: several apiservers agree through its version on who compacts. */
const COMPACT_KEY = Buffer.from("compact_rev_key");

/**
 * Drops the store's history from before the last interval. Of several apiservers one wins each
 * round
 * by the key's version; the others learn the new round from it.
 */
export class Compactor {
  readonly #etcd: EtcdClient;
  readonly #clock: Clock;
  #timer: Timer;
  #version = 0;
  /** What the next round may compact to: the store's revision at this round. */
  #revision = 0;
  #round: Promise<void> = Promise.resolve();
  readonly #compacted: (revision: number) => void;

  /** `compacted` hears of each compaction, whichever server made it. */
  constructor(etcd: EtcdClient, clock: Clock, compacted: (revision: number) => void) {
    this.#etcd = etcd;
    this.#clock = clock;
    this.#compacted = compacted;
    this.#timer = this.#schedule();
  }

  #schedule(): Timer {
    return this.#clock.after(COMPACTION_INTERVAL_MS, () => {
      this.#round = this.#compact().catch((thrown: unknown) => {
        log.warn("the store was not compacted", { reason: messageOf(thrown) });
      });
      this.#timer = this.#schedule();
    });
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
    try {
      await this.#etcd.compact({ revision: target });
    } catch (thrown) {
      // Another client went further already.
      if (!isEtcdError(thrown, "compacted")) throw thrown;
    }
    this.#compacted(target);
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    await this.#round;
  }
}
