import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { BackendWrite } from "../../../backend/backend.ts";
import type { Membership } from "../../../core/types.ts";
import { FLUSH_BYTES, FLUSH_INTERVAL_MS } from "../../../limits.ts";
import type { RecentRevisions } from "../../records/recent.ts";
import { recordKey } from "../../records/revision.ts";
import type { State } from "../../state/state.ts";
import { encodeMeta, META_KEY } from "./meta.ts";

/** The state that a flush made durable. */
export interface Flushed {
  appliedIndex: number;
  appliedTerm: number;
  membership: Membership;
  /** Bytes of the records, as they were in memory. */
  bytes: number;
}

/**
 * Carries the state to the backend: records, leases, revision and applied index of one moment in
 * one atomic, synced batch (S4). The log may be cut only up to the index that `onFlushed` reports.
 */
export class Flusher {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #onFlushed: (flushed: Flushed) => void;
  readonly #onFailure: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #flushedIndex: number;
  #stopped = false;
  #failed = false;
  #paused = false;
  #next: PromiseWithResolvers<void> | undefined;

  constructor(
    state: State,
    clock: Clock,
    onFlushed: (flushed: Flushed) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#state = state;
    this.#clock = clock;
    this.#onFlushed = onFlushed;
    this.#onFailure = onFailure;
    this.#flushedIndex = state.appliedIndex;
  }

  /** The state has changed: flushes immediately when much waits, else soon. */
  changed(): void {
    if (this.#running || this.#stopped || this.#failed || this.#paused) return;
    if (this.#state.recent.unflushedBytes >= FLUSH_BYTES) this.#start();
    else this.#timer ??= this.#clock.after(FLUSH_INTERVAL_MS, () => this.#start());
  }

  /** Ends the flush under way and starts no other: the state is about to be replaced. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#running) await this.#running;
  }

  /** The state was replaced by one that is on disk. */
  resume(): void {
    this.#paused = false;
    const { appliedIndex, appliedTerm, membership } = this.#state;
    this.#flushedIndex = appliedIndex;
    this.#release();
    this.#onFlushed({ appliedIndex, appliedTerm, membership, bytes: 0 });
  }

  /** Resolves after the next flush, or once the flusher is abandoned or its state is replaced. */
  next(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  #release(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }

  /** Resolves once all that is applied by now is in the backend, or never will be. */
  async settled(): Promise<void> {
    const { appliedIndex } = this.#state;
    while (this.#flushedIndex < appliedIndex && !this.#stopped && !this.#failed) {
      const flushed = this.next();
      if (!this.#running && !this.#paused) this.#start();
      await flushed;
    }
  }

  /** Flushes everything applied by now, and ends. After a failure nothing more is flushed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    while (this.#running) await this.#running;
    if (!this.#failed) await this.#flush();
  }

  /**
   * Starts no other flush: the member has failed, perhaps within an entry, whose index the state
   * has already. The log has the entry; the next start applies it to the backend's state (S4).
   */
  abandon(): void {
    this.#failed = true;
    this.#timer?.cancel();
    this.#release();
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#running = this.#flush()
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#running = undefined;
        if (this.#flushedIndex < this.#state.appliedIndex) this.changed();
      });
  }

  /** Records taken from `pending` by a failed batch are lost: a later one would lack them (S4). */
  #fail(reason: unknown): void {
    this.abandon();
    this.#onFailure(reason);
  }

  async #flush(): Promise<void> {
    const state = this.#state;
    const { appliedIndex, appliedTerm, membership, revision, compactRevision } = state;
    if (appliedIndex === this.#flushedIndex) return;
    await state.backend.writeBatch(takeWrites(state), { sync: true });
    this.#flushedIndex = appliedIndex;
    const waiting = state.recent.unflushedBytes;
    state.recent.flushedTo(revision);
    const bytes = waiting - state.recent.unflushedBytes;
    state.flushedCompactRevision = compactRevision;
    this.#release();
    this.#onFlushed({ appliedIndex, appliedTerm, membership, bytes });
  }
}

/** A failed member carries nothing more to its backend: the log has it all. */
export function ending(flusher: Flusher, onFatal: (reason: unknown) => void) {
  return (reason: unknown) => {
    flusher.abandon();
    onFatal(reason);
  };
}

/**
 * Takes everything between the last flush and now, at a boundary between two entries. Records do
 * not change: they are encoded as they are read.
 */
function takeWrites(state: State): Iterable<BackendWrite> {
  const pending = [...state.pending.values()];
  state.pending.clear();
  const meta = { key: META_KEY, value: encodeMeta({ ...state.identity, ...metaOf(state) }) };
  return writesOf(pending, state.recent, state.revision, meta);
}

function* writesOf(
  pending: readonly BackendWrite[],
  recent: RecentRevisions,
  revision: number,
  meta: BackendWrite,
): Generator<BackendWrite> {
  yield* pending;
  for (let main = recent.flushed + 1; main <= revision; main++) {
    for (const [sub, { kv, deleted }] of recent.changes(main)!.entries()) {
      // A tombstone holds nothing but its key, as etcd's does.
      const value = deleted ? KeyValue.encode({ key: kv.key }) : KeyValue.encode(kv);
      yield { key: recordKey(main, sub, deleted), value };
    }
  }
  yield meta;
}

function metaOf(state: State) {
  const { appliedIndex, appliedTerm, revision, membership } = state;
  const { compactRevision, compactedRevision } = state;
  return { appliedIndex, appliedTerm, revision, compactRevision, compactedRevision, membership };
}
