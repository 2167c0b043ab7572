import { Batches, type BatchesOptions } from "@raft2kube/reconcile/batches.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { AUDIT_ATTEMPTS_MAX, AUDIT_BUFFER_BYTES_MAX } from "../limits.ts";
import type { Backend, Losses, Sink } from "./sink.ts";

type Batching = Pick<BatchesOptions<string>, "batch_max" | "wait_ms" | "throttle">;

export interface BatchOptions extends Batching {
  /** Events that wait at most; further ones are lost, and counted. */
  readonly buffer_max: number;
  /** Bytes written together. */
  readonly batch_bytes_max: number;
  /** Pause after the first failure; each further one doubles it. */
  readonly retry_ms: number;
}

/**
 * Collects events and writes batches of them, one after the other; no request waits. A batch that
 * cannot be written is tried again a few times. Waiting events are bounded in number and bytes.
 */
export class Collected implements Backend {
  readonly #sink: Sink;
  readonly #losses: Losses;
  readonly #batches: Batches<string>;
  /** Failures of the first batch that waits. */
  #failures = 0;
  #closed = false;

  constructor(sink: Sink, losses: Losses, options: BatchOptions, clock: Clock) {
    const { buffer_max, batch_bytes_max, retry_ms, ...batching } = options;
    this.#sink = sink;
    this.#losses = losses;
    this.#batches = new Batches({
      ...batching,
      clock,
      waiting_max: buffer_max,
      bytes: {
        of: (event) => Buffer.byteLength(event),
        waiting_max: AUDIT_BUFFER_BYTES_MAX,
        batch_max: batch_bytes_max,
      },
      retry: { first_ms: retry_ms, most_ms: Infinity },
      write: (batch) => this.#write(batch),
    });
  }

  take(event: string): void {
    if (this.#batches.add(event)) return;
    const full = new CodedError("AUDIT_BUFFER", "the buffer of audit events is full");
    this.#losses.lost(1, full);
  }

  /** Throws what the sink did while there are attempts left; after that the batch is lost. */
  async #write(batch: readonly string[]): Promise<void> {
    try {
      await this.#sink.write(batch);
      this.#losses.written();
    } catch (thrown) {
      this.#failures++;
      if (this.#failures < AUDIT_ATTEMPTS_MAX && !this.#closed) throw thrown;
      this.#losses.lost(batch.length, thrown);
    }
    this.#failures = 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#batches.close();
    await this.#sink.close();
  }
}
