import { logger } from "@raft2kube/observe/log.ts";
import { type Span, type SpanSink, untraced } from "@raft2kube/observe/trace/tracer.ts";
import { TraceService } from "@raft2kube/proto/gen/otlp.ts";
import { Batches } from "@raft2kube/reconcile/batches.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { client, connectGrpc } from "../client.ts";
import { asRpcError, statusName } from "../error.ts";
import * as limits from "../limits.ts";
import { resourceSpans } from "./spans.ts";

/** Statuses after which the same spans are sent again: OTLP's table of retryable codes. */
const RETRYABLE =
  /^(CANCELLED|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|OUT_OF_RANGE|UNAVAILABLE|DATA_LOSS)$/;
const isRetryable = (thrown: unknown) => RETRYABLE.test(statusName(asRpcError(thrown).status));

/**
 * Returns what sends spans to a receiver of OTLP over gRPC, in batches; `endpoint` is an address of
 * `receiverAddress`, connected to with the first spans. A receiver that is away costs the spans
 * beyond the queue, which are counted, and one line of the log.
 */
export function otlpExporter(endpoint: string, clock: Clock): SpanSink {
  const report = failureLog(logger("traces"), `traces are not received by ${endpoint}`);
  const channel = connectGrpc(endpoint);
  const service = client(channel, TraceService);
  const end = new AbortController();
  let [isClosed, dropped] = [false, 0];
  /** Throws when the same spans are to be sent again. */
  const write = async (batch: readonly Span[]) => {
    const options = { timeout_ms: limits.EXPORT_TIMEOUT_MS, signal: end.signal };
    try {
      const answer = await service.export({ resourceSpans: resourceSpans(batch) }, options);
      const { rejectedSpans = 0, errorMessage = "" } = answer.partialSuccess ?? {};
      report(rejectedSpans > 0 ? errorMessage : undefined);
      dropped += Math.max(0, Math.min(rejectedSpans, batch.length));
    } catch (thrown) {
      report(thrown);
      if (isRetryable(thrown) && !isClosed) throw thrown;
      dropped += batch.length;
    }
  };
  const wait_ms = limits.EXPORT_INTERVAL_MS;
  const batches = new Batches({
    ...{ clock, write, wait_ms, retry: { first_ms: wait_ms, most_ms: wait_ms } },
    ...{ bytesOf: () => 0, buffer_bytes_max: 0, batch_bytes_max: 0 },
    buffer_max: limits.SPANS_QUEUED_MAX,
    batch_max: limits.SPANS_BATCH_MAX,
  });
  return {
    get dropped() {
      return dropped;
    },
    add(ended) {
      if (!untraced(() => batches.add(ended))) dropped++;
    },
    async close() {
      isClosed = true;
      const last = clock.after(limits.LAST_EXPORT_TIMEOUT_MS, () => end.abort());
      await batches.close();
      last.cancel();
      channel.close();
    },
  };
}
