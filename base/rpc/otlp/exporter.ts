import { logger } from "@raft2kube/observe/log.ts";
import { type Span, type SpanSink, untraced } from "@raft2kube/observe/trace/tracer.ts";
import { TraceService, type TraceServiceMethods } from "@raft2kube/proto/gen/otlp.ts";
import { failureLog, type ReportOutcome } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "../client.ts";
import { asRpcError, statusName } from "../error.ts";
import * as limits from "../limits.ts";
import { resourceSpans } from "./spans.ts";

/** Statuses after which the same spans are sent again: OTLP's table of retryable codes. */
const RETRYABLE =
  /^(CANCELLED|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|OUT_OF_RANGE|UNAVAILABLE|DATA_LOSS)$/;
const isRetryable = (thrown: unknown) => RETRYABLE.test(statusName(asRpcError(thrown).status));

/**
 * Sends spans to a receiver of OTLP over gRPC, in batches. A receiver that is away costs the spans
 * beyond the queue, which are counted, and one line of the log.
 */
export class OtlpExporter implements SpanSink {
  readonly #clock: Clock;
  readonly #channel: Channel;
  readonly #service: RpcClient<TraceServiceMethods>;
  readonly #sends: Runner;
  readonly #queue: Span[] = [];
  readonly #end = new AbortController();
  readonly #report: ReportOutcome;
  /** Spans that were not received and will not be sent again. */
  dropped = 0;
  #isClosed = false;

  /** `endpoint` is an address of `receiverAddress`; it is connected to with the first spans. */
  constructor(endpoint: string, clock: Clock) {
    this.#clock = clock;
    this.#report = failureLog(logger("traces"), `traces are not received by ${endpoint}`);
    this.#channel = connectGrpc(endpoint);
    this.#service = client(this.#channel, TraceService);
    const min_ms = limits.EXPORT_INTERVAL_MS;
    this.#sends = new Runner({
      ...{ clock, min_ms, retry: { first_ms: min_ms, most_ms: min_ms } },
      run: () => this.#sendAll(),
      // A success is reported with what it answers.
      report: (thrown) => thrown !== undefined && this.#report(thrown),
    });
  }

  add(ended: Span): void {
    if (this.#isClosed || this.#queue.length >= limits.SPANS_QUEUED_MAX) return void this.dropped++;
    const length = this.#queue.push(ended);
    const isFull = length === limits.SPANS_BATCH_MAX;
    if (isFull || length === 1) untraced(() => this.#sends.request(isFull ? 0 : undefined));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const end = this.#clock.after(limits.LAST_EXPORT_TIMEOUT_MS, () => this.#end.abort());
    await this.#sends.close();
    await tolerate(this.#sendAll(), isRetryable);
    end.cancel();
    this.dropped += this.#queue.length;
    this.#queue.length = 0;
    this.#channel.close();
  }

  /** Throws when the same spans are to be sent again. */
  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, limits.SPANS_BATCH_MAX);
      const refused = await this.#export(batch);
      this.#queue.splice(0, batch.length);
      this.dropped += refused;
    }
  }

  /** Resolves with how many spans the receiver refused for good. */
  async #export(batch: readonly Span[]): Promise<number> {
    const options = { timeout_ms: limits.EXPORT_TIMEOUT_MS, signal: this.#end.signal };
    try {
      const answer = await this.#service.export({ resourceSpans: resourceSpans(batch) }, options);
      const { rejectedSpans = 0, errorMessage = "" } = answer.partialSuccess ?? {};
      this.#report(rejectedSpans > 0 ? errorMessage : undefined);
      return rejectedSpans;
    } catch (thrown) {
      if (isRetryable(thrown)) throw thrown;
      this.#report(thrown);
      return batch.length;
    }
  }
}
