import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import {
  COMPACTION_INTERVAL_MS_MAX,
  COMPACTION_LOOKS,
  COMPACTION_REVISION_INTERVAL_MS,
} from "../limits.ts";

/** Automatic compaction: keeps the last `keep_ms`, or `keepRevisions`. */
export type AutoCompactionOptions =
  | { mode: "periodic"; keep_ms: number }
  | { mode: "revision"; keepRevisions: number };

export interface CompactingStore {
  revision(): number;
  /** Only the leader compacts; the others keep count, to go on from there. */
  leads(): boolean;
  compact(revision: number): Promise<unknown>;
}

const log = logger("compaction");

/** etcd's --auto-compaction-mode and --auto-compaction-retention. */
export class AutoCompaction {
  readonly #options: AutoCompactionOptions;
  readonly #store: CompactingStore;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  /** Revisions seen at past looks, the oldest first (periodic). */
  #seen: number[] = [];
  #last = 0;
  #lastSuccess_ms: number;
  #waited = false;

  constructor(options: AutoCompactionOptions, store: CompactingStore, clock: Clock) {
    this.#options = options;
    this.#store = store;
    this.#clock = clock;
    this.#lastSuccess_ms = clock.monotonic();
  }

  start(): void {
    if (this.#options.mode === "periodic") this.#note(this.#options.keep_ms);
    this.#timer = this.#clock.after(this.#interval_ms, () => {
      this.start();
      void this.#look();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Not more often than each hour, with ten looks in between for where the time began. */
  get #interval_ms(): number {
    const options = this.#options;
    if (options.mode === "revision") return COMPACTION_REVISION_INTERVAL_MS;
    return Math.min(options.keep_ms, COMPACTION_INTERVAL_MS_MAX) / COMPACTION_LOOKS;
  }

  #note(keep_ms: number): void {
    this.#seen.push(this.#store.revision());
    const kept = Math.floor(keep_ms / this.#interval_ms) + 1;
    if (this.#seen.length > kept) this.#seen.shift();
  }

  async #look(): Promise<void> {
    if (!this.#store.leads()) return;
    const revision = this.#due();
    if (revision === undefined || revision <= 0 || revision === this.#last) return;
    try {
      await this.#store.compact(revision);
      log.info("compacted", { revision });
    } catch (thrown) {
      if (!isEtcdError(thrown, "compacted")) {
        log.warn("could not compact", { revision, reason: messageOf(thrown) });
        return;
      }
    }
    this.#last = revision;
    this.#lastSuccess_ms = this.#clock.monotonic();
  }

  /** The revision to compact to now; the first time only after the whole time has passed. */
  #due(): number | undefined {
    const options = this.#options;
    if (options.mode === "revision") return this.#store.revision() - options.keepRevisions;
    const [oldest] = this.#seen;
    const wait_ms = this.#waited
      ? Math.min(options.keep_ms, COMPACTION_INTERVAL_MS_MAX)
      : options.keep_ms;
    if (this.#clock.monotonic() - this.#lastSuccess_ms < wait_ms) return undefined;
    if (oldest !== this.#last) this.#waited = true;
    return oldest;
  }
}
