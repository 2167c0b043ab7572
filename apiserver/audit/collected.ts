import { Batches, type BatchesOptions } from "@raft2kube/reconcile/batches.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { AUDIT_ATTEMPTS_MAX, AUDIT_BUFFER_BYTES_MAX } from "../limits.ts";
import type { Backend, Losses, Sink } from "./sink.ts";

export interface BatchOptions extends Pick<BatchesOptions<string>, "wait_ms" | "throttle"> {
  /** Events that wait at most; further ones are lost, and counted. */
  readonly buffer_max: number;
  /** Events written together. */
  readonly batch_max: number;
  /** Bytes written together. */
  readonly batch_bytes_max: number;
  /** Pause after the first failure; each further one doubles it. */
  readonly retry_ms: number;
}

/**
 * Collects events and writes batches of them, one after the other; no request waits. A batch that
 * cannot be written is tried again a few times. Waiting events are bounded in number and bytes.
 */
export function collected(
  sink: Sink,
  losses: Losses,
  options: BatchOptions,
  clock: Clock,
): Backend {
  const { buffer_max, batch_max, batch_bytes_max, retry_ms, ...when } = options;
  /** Failures of the first batch that waits. */
  let failures = 0;
  let isClosed = false;
  const batches = new Batches<string>({
    ...when,
    clock,
    bytesOf: (event) => Buffer.byteLength(event),
    waiting_max: { items: buffer_max, bytes: AUDIT_BUFFER_BYTES_MAX },
    batch_max: { items: batch_max, bytes: batch_bytes_max },
    retry: { first_ms: retry_ms, most_ms: Infinity },
    async write(batch) {
      try {
        await sink.write(batch);
        losses.written();
      } catch (thrown) {
        failures++;
        if (failures < AUDIT_ATTEMPTS_MAX && !isClosed) throw thrown;
        losses.lost(batch.length, thrown);
      }
      failures = 0;
    },
  });
  return {
    take(event) {
      const full = "the buffer of audit events is full";
      if (!batches.add(event)) losses.lost(1, new CodedError("AUDIT_BUFFER", full));
    },
    async close() {
      isClosed = true;
      await batches.close();
      await sink.close();
    },
  };
}
