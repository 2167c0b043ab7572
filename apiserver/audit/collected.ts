import { Batches, type BatchesOptions } from "@raft2kube/reconcile/batches.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { AUDIT_ATTEMPTS_MAX, AUDIT_BUFFER_BYTES_MAX } from "../limits.ts";
import type { Backend, Losses, Sink } from "./sink.ts";

type Decided = "clock" | "bytesOf" | "buffer_bytes_max" | "retry" | "write";

export interface BatchOptions extends Omit<BatchesOptions<string>, Decided> {
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
  const { retry_ms, ...given } = options;
  /** Failures of the first batch that waits. */
  let failures = 0;
  let isClosed = false;
  const batches = new Batches<string>({
    ...given,
    clock,
    bytesOf: (event) => Buffer.byteLength(event),
    buffer_bytes_max: AUDIT_BUFFER_BYTES_MAX,
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
