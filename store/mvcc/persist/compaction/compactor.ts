import type { Clock } from "@raft2kube/std/clock.ts";
import { turn } from "@raft2kube/std/slices.ts";
import type { BackendWrite } from "../../../backend/backend.ts";
import {
  COMPACT_CHUNK_KEYS,
  RECLAIM_BYTES_MAX,
  RECLAIM_BYTES_MIN,
  RECLAIM_GROWTH,
} from "../../../limits.ts";
import { CompactionMetrics } from "../../../metrics/compaction.ts";
import { recordKey } from "../../records/revision.ts";
import type { State } from "../../state/state.ts";

/**
 * Removes the records of compacted revisions: from the index a bounded number of keys per turn of
 * the loop, from the backend in batches. One run at a time; a run interrupted by a restart is
 * done again, since the meta record says how far it came.
 */
export class Compactor {
  readonly metrics = new CompactionMetrics();
  readonly #state: State;
  /** Resolves after the next flush of the state. */
  readonly #nextFlush: () => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  readonly #clock: Clock;
  #running: Promise<void> | undefined;
  /** Bytes of the backend when its space was given back last. */
  #reclaimed_bytes = 0;
  /** The first record that may have been removed since; at a start any, by earlier processes. */
  #from = recordKey(0, 0, false);
  /** The last record that this process has removed since. */
  #to: Buffer | undefined;
  #stopped = false;
  #paused = false;
  /** Ends a run's wait. */
  #wake: () => void = () => undefined;
  /**
   * Reads of old records under way: they delay the removal of the records that they have looked up.
   */
  readonly #readers = new Set<Promise<unknown>>();

  constructor(
    state: State,
    nextFlush: () => Promise<void>,
    onFailure: (error: unknown) => void,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#state = state;
    this.#nextFlush = nextFlush;
    this.#onFailure = onFailure;
  }

  /** Starts, unless a run is under way, which then continues to the new revision. */
  start(): void {
    if (this.#running || this.#halted) return;
    if (this.#state.compactedRevision >= this.#state.compactRevision) return;
    this.#running = this.#run()
      .catch((thrown: unknown) => {
        this.#stopped = true;
        this.#onFailure(thrown);
      })
      .finally(() => {
        this.#running = undefined;
        this.start();
      });
  }

  /** Resolves once no compaction is under way. */
  async done(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * Resolves once the records that a compaction at `revision` removes are gone, even while later
   * ones run; or when compactions end before that, as the member stops.
   */
  async removed(revision: number): Promise<void> {
    while (this.#running && this.#state.compactedRevision < revision) await this.#running;
  }

  /** Keeps records readable while `read` runs, which has looked up their places before. */
  async hold<T>(read: () => Promise<T>): Promise<T> {
    const reading = read();
    this.#readers.add(reading);
    try {
      return await reading;
    } finally {
      this.#readers.delete(reading);
    }
  }

  /** Breaks off, even where a flush or a read that it waits for will never end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.done();
  }

  /** Breaks off: the state is about to be replaced, and with it what there is to compact. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#wake();
    await this.done();
  }

  resume(): void {
    this.#paused = false;
    this.start();
  }

  get #halted(): boolean {
    return this.#stopped || this.#paused;
  }

  async #run(): Promise<void> {
    const at = this.#state.compactRevision;
    const start_ms = this.#clock.monotonic();
    let after: string | undefined = "";
    while (after !== undefined && !this.#halted) {
      const removals: BackendWrite[] = [];
      const from_ms = this.#clock.monotonic();
      after = this.#state.index.compact(at, after, COMPACT_CHUNK_KEYS, (main, sub, tombstone) => {
        const key = recordKey(main, sub, tombstone);
        removals.push({ key, value: undefined });
        if (key.compare(this.#from) < 0) this.#from = key;
        if (!this.#to || key.compare(this.#to) > 0) this.#to = key;
      });
      this.metrics.indexPause_ms.observe(this.#clock.monotonic() - from_ms);
      if (removals.length > 0) await this.#unlessHalted(this.earlierReaders());
      await this.#flushed(at);
      if (this.#halted) return;
      if (removals.length > 0) await this.#remove(removals);
      if (after !== undefined) await turn();
    }
    if (this.#halted) return;
    this.#state.compactedRevision = at;
    this.metrics.total_ms.observe(this.#clock.monotonic() - start_ms);
    this.metrics.lastEnd_s = Math.floor(this.#clock.now() / 1_000);
    await this.#reclaim();
  }

  /**
   * Lets the engine give back the space of all records that were removed since the last time, if
   * the backend has grown. The range of one run's records leaves those of earlier runs.
   */
  async #reclaim(): Promise<void> {
    const [from, to] = [this.#from, this.#to];
    if (!to) return;
    const { backend } = this.#state;
    const grown_bytes = (await backend.size()).total - this.#reclaimed_bytes;
    const least_bytes = this.#reclaimed_bytes * RECLAIM_GROWTH + RECLAIM_BYTES_MIN;
    if (grown_bytes < Math.min(least_bytes, RECLAIM_BYTES_MAX)) return;
    [this.#from, this.#to] = [to, undefined];
    await backend.compactRange({ from, to });
    this.#reclaimed_bytes = (await backend.size()).total;
  }

  /**
   * Removes records with a sync, though it could be repeated: a sync of LevelDB's present log does
   * not cover the previous one, and a later batch that relies on these removals must not be durable
   * without them.
   */
  async #remove(removals: BackendWrite[]): Promise<void> {
    const from_ms = this.#clock.monotonic();
    await this.#state.backend.writeBatch(removals, { sync: true });
    this.metrics.backendPause_ms.observe(this.#clock.monotonic() - from_ms);
    this.metrics.records += removals.length;
  }

  /**
   * Resolves when the reads of old records that are under way at the call have ended. Later ones
   * do not count: they looked up their places after a change that the caller has made.
   */
  async earlierReaders(): Promise<void> {
    await Promise.allSettled(this.#readers);
  }

  /** Resolves with `awaited`, or when the run is to break off. */
  async #unlessHalted(awaited: Promise<unknown>): Promise<void> {
    if (this.#halted) return;
    await new Promise<void>((resume) => {
      this.#wake = resume;
      void awaited.then(() => resume());
    });
  }

  /**
   * Removing records before they were written would leave them in the database without end;
   * removals before the backend knows of the compaction would, after a crash, be missing from a
   * state that claims to have them (S6).
   */
  async #flushed(at: number): Promise<void> {
    const state = this.#state;
    const due = () => state.recent.flushed < at || state.flushedCompactRevision < at;
    while (due() && !this.#halted) await this.#unlessHalted(this.#nextFlush());
  }
}
