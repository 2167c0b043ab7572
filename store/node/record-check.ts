import type { Compactor } from "../mvcc/persist/compaction/compactor.ts";
import { bucket } from "../mvcc/persist/restore/restore.ts";
import type { State } from "../mvcc/state/state.ts";

/**
 * Reads all records once, after a start that took the index from a file: records that the database
 * lost or changed are noticed soon, not by the first read that misses them (S8). The database
 * itself reports damage.
 */
export class RecordCheck {
  readonly #state: State;
  readonly #compactor: Pick<Compactor, "hold">;
  readonly #onFailure: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(
    state: State,
    compactor: Pick<Compactor, "hold">,
    onFailure: (error: unknown) => void,
  ) {
    this.#state = state;
    this.#compactor = compactor;
    this.#onFailure = onFailure;
  }

  start(): void {
    if (!this.#state.recordsUnread) return;
    const reading = this.#compactor.hold(() => this.#read());
    this.#running = reading.catch((thrown: unknown) => this.#onFailure(thrown));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #read(): Promise<void> {
    const records = this.#state.backend.scan(bucket("key"))[Symbol.asyncIterator]();
    try {
      while (!(await records.next()).done) if (this.#stopped) return;
      this.#state.recordsUnread = false;
    } finally {
      await records.return?.();
    }
  }
}
