import { logger } from "@raft2kube/observe/log.ts";
import { type Span, type SpanSink, untraced } from "@raft2kube/observe/trace/tracer.ts";
import { TraceService } from "@raft2kube/proto/gen/otlp.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
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
  const queue: Span[] = [];
  const end = new AbortController();
  let [isClosed, dropped] = [false, 0];
  /** Resolves with how many spans the receiver refused for good. */
  const send = async (batch: readonly Span[]): Promise<number> => {
    const options = { timeout_ms: limits.EXPORT_TIMEOUT_MS, signal: end.signal };
    try {
      const answer = await service.export({ resourceSpans: resourceSpans(batch) }, options);
      const { rejectedSpans = 0, errorMessage = "" } = answer.partialSuccess ?? {};
      report(rejectedSpans > 0 ? errorMessage : undefined);
      return rejectedSpans;
    } catch (thrown) {
      if (isRetryable(thrown)) throw thrown;
      report(thrown);
      return batch.length;
    }
  };
  /** Throws when the same spans are to be sent again. */
  const sendAll = async () => {
    while (queue.length > 0) {
      const batch = queue.slice(0, limits.SPANS_BATCH_MAX);
      const refused = await send(batch);
      queue.splice(0, batch.length);
      dropped += refused;
    }
  };
  const min_ms = limits.EXPORT_INTERVAL_MS;
  const sends = new Runner({
    ...{ clock, min_ms, retry: { first_ms: min_ms, most_ms: min_ms }, run: sendAll },
    // A success is reported with what it answers.
    report: (thrown) => thrown !== undefined && report(thrown),
  });
  return {
    get dropped() {
      return dropped;
    },
    add(ended) {
      if (isClosed || queue.length >= limits.SPANS_QUEUED_MAX) return void dropped++;
      const length = queue.push(ended);
      const isFull = length === limits.SPANS_BATCH_MAX;
      if (isFull || length === 1) untraced(() => sends.request(isFull ? 0 : undefined));
    },
    async close() {
      isClosed = true;
      const last = clock.after(limits.LAST_EXPORT_TIMEOUT_MS, () => end.abort());
      await sends.close();
      await tolerate(sendAll(), isRetryable);
      last.cancel();
      dropped += queue.splice(0).length;
      channel.close();
    },
  };
}
