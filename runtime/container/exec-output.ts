import type { Readable } from "node:stream";
import { EXEC_SYNC_ALL_BYTES, EXEC_SYNC_OUTPUT_BYTES, EXEC_SYNC_OWN_BYTES } from "../limits.ts";

/**
 * Budget for the output that ExecSync calls buffer until their commands end, which may take hours.
 * Each call has EXEC_SYNC_OWN_BYTES of its own; the rest comes from `all_bytes`, shared by all
 * calls, up to EXEC_SYNC_OUTPUT_BYTES per call.
 */
export class ExecOutputs {
  #left_bytes: number;

  constructor(all_bytes = EXEC_SYNC_ALL_BYTES) {
    this.#left_bytes = all_bytes;
  }

  /** Returns the buffer of one call. Dispose of it when the call is answered. */
  hold(): ExecOutput {
    let [own_bytes, shared_bytes] = [EXEC_SYNC_OWN_BYTES, 0];
    const take = (wanted_bytes: number): number => {
      const own = Math.min(wanted_bytes, own_bytes);
      const allowed = EXEC_SYNC_OUTPUT_BYTES - EXEC_SYNC_OWN_BYTES - shared_bytes;
      const shared = Math.min(wanted_bytes - own, allowed, this.#left_bytes);
      own_bytes -= own;
      shared_bytes += shared;
      this.#left_bytes -= shared;
      return own + shared;
    };
    return new ExecOutput(take, () => {
      this.#left_bytes += shared_bytes;
      shared_bytes = 0;
    });
  }
}

/** Buffered output of one call; output above its budget is read and dropped. */
export class ExecOutput implements Disposable {
  readonly #take: (wanted_bytes: number) => number;
  readonly #release: () => void;

  constructor(take: (wanted_bytes: number) => number, release: () => void) {
    this.#take = take;
    this.#release = release;
  }

  /** Buffers a stream. The returned function returns the buffered bytes. */
  collect(stream: Readable): () => Buffer {
    // One contiguous buffer: one for each small write would take a hundred times as much.
    let [buffer, length] = [Buffer.alloc(0), 0];
    stream.on("data", (chunk: Buffer) => {
      const kept_bytes = this.#take(chunk.length);
      if (length + kept_bytes > buffer.length) {
        const grown = Buffer.allocUnsafeSlow(Math.max(2 * length, length + kept_bytes));
        buffer.copy(grown, 0, 0, length);
        buffer = grown;
      }
      length += chunk.copy(buffer, length, 0, kept_bytes);
    });
    return () => buffer.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
