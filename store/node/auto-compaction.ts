import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
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
  /**
   * Whether this member leads: only the leader compacts; the others keep the times, to continue
   * from there.
   */
  leads(): boolean;
  compact(revision: number): Promise<unknown>;
}

const log = logger("compaction");

/** etcd's --auto-compaction-mode and --auto-compaction-retention. */
export class AutoCompaction {
  readonly #options: AutoCompactionOptions;
  readonly #store: CompactingStore;
  readonly #clock: Clock;
  readonly #looks: Runner;
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
    const interval_ms = this.#interval_ms;
    this.#looks = new Runner({
      clock,
      max_ms: interval_ms,
      retry: { first_ms: interval_ms, most_ms: interval_ms },
      run: () => this.#look(),
      report: failureLog(log, "could not compact"),
    });
  }

  start(): void {
    this.#note();
    this.#looks.request(this.#interval_ms);
  }

  stop(): void {
    void this.#looks.close();
  }

  /**
   * Time between compactions: at most one an hour, with ten samples in between of when a revision
   * was made.
   */
  get #interval_ms(): number {
    const options = this.#options;
    if (options.mode === "revision") return COMPACTION_REVISION_INTERVAL_MS;
    return Math.min(options.keep_ms, COMPACTION_INTERVAL_MS_MAX) / COMPACTION_LOOKS;
  }

  #note(): void {
    if (this.#options.mode === "revision") return;
    this.#seen.push(this.#store.revision());
    const kept = Math.floor(this.#options.keep_ms / this.#interval_ms) + 1;
    if (this.#seen.length > kept) this.#seen.shift();
  }

  async #look(): Promise<void> {
    this.#note();
    if (!this.#store.leads()) return;
    const revision = this.#due();
    if (revision === undefined || revision <= 0 || revision === this.#last) return;
    try {
      await this.#store.compact(revision);
      log.info("compacted", { revision });
    } catch (thrown) {
      if (!isEtcdError(thrown, "compacted")) throw thrown;
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
