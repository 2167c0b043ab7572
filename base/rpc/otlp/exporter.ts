import { logger } from "@raft2kube/observe/log.ts";
import { untraced } from "@raft2kube/observe/trace/span.ts";
import type { EndedSpan, SpanSink } from "@raft2kube/observe/trace/tracer.ts";
import { TraceService, type TraceServiceMethods } from "@raft2kube/proto/gen/otlp.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "../client.ts";
import { asRpcError, Status } from "../error.ts";
import {
  EXPORT_INTERVAL_MS,
  EXPORT_TIMEOUT_MS,
  LAST_EXPORT_TIMEOUT_MS,
  SPANS_BATCH_MAX,
  SPANS_QUEUED_MAX,
} from "../limits.ts";
import { resourceSpans } from "./spans.ts";

const log = logger("traces");

/** Statuses after which the same spans are sent again: OTLP's table of retryable codes. */
const RETRYABLE: readonly Status[] = [
  Status.CANCELLED,
  Status.DEADLINE_EXCEEDED,
  Status.RESOURCE_EXHAUSTED,
  Status.ABORTED,
  Status.OUT_OF_RANGE,
  Status.UNAVAILABLE,
  Status.DATA_LOSS,
];

/**
 * Sends spans to a receiver of OTLP over gRPC, in batches. A receiver that is away costs the spans
 * beyond the queue, which are counted, and one line of the log.
 */
export class OtlpExporter implements SpanSink {
  readonly #endpoint: string;
  readonly #clock: Clock;
  readonly #channel: Channel;
  readonly #service: RpcClient<TraceServiceMethods>;
  readonly #queue: EndedSpan[] = [];
  /** Ends the last request. */
  readonly #end = new AbortController();
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #failure: string | undefined;
  #dropped = 0;
  #isClosed = false;

  /** `endpoint` is an address of `receiverAddress`; it is connected to with the first spans. */
  constructor(endpoint: string, clock: Clock) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#channel = connectGrpc(endpoint);
    this.#service = client(this.#channel, TraceService);
  }

  /** Spans that were not received and will not be sent again. */
  get dropped(): number {
    return this.#dropped;
  }

  add(ended: EndedSpan): void {
    if (this.#isClosed || this.#queue.length >= SPANS_QUEUED_MAX) {
      this.#dropped++;
      return;
    }
    this.#queue.push(ended);
    const isFull = this.#queue.length === SPANS_BATCH_MAX && this.#failure === undefined;
    if (isFull) untraced(() => this.#send());
    else this.#timer ??= untraced(() => this.#later());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const end = this.#clock.after(LAST_EXPORT_TIMEOUT_MS, () => this.#end.abort());
    await this.#sending;
    if (this.#failure === undefined) await untraced(() => this.#sendAll());
    end.cancel();
    this.#dropped += this.#queue.length;
    this.#queue.length = 0;
    this.#channel.close();
  }

  #later(): Timer {
    return this.#clock.after(EXPORT_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#send();
    });
  }

  #send(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
      if (this.#queue.length > 0 && !this.#isClosed) this.#timer ??= this.#later();
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, SPANS_BATCH_MAX);
      if (!(await this.#export(batch))) return;
      this.#queue.splice(0, batch.length);
    }
  }

  /** Whether these spans are done with, received or not. */
  async #export(batch: readonly EndedSpan[]): Promise<boolean> {
    const options = { timeout_ms: EXPORT_TIMEOUT_MS, signal: this.#end.signal };
    try {
      const request = { resourceSpans: resourceSpans(batch) };
      const { partialSuccess } = await this.#service.export(request, options);
      const { rejectedSpans = 0, errorMessage = "" } = partialSuccess ?? {};
      this.#dropped += rejectedSpans;
      this.#report(rejectedSpans > 0 ? errorMessage : undefined);
    } catch (thrown) {
      this.#report(messageOf(thrown));
      if (RETRYABLE.includes(asRpcError(thrown).status)) return false;
      this.#dropped += batch.length;
    }
    return true;
  }

  /** Logs the first failure since the receiver last took spans, and that it takes them again. */
  #report(error: string | undefined): void {
    const [endpoint, before] = [this.#endpoint, this.#failure];
    this.#failure = error;
    if (error !== undefined && before === undefined) {
      const remedy = "start a receiver of OTLP over gRPC there, or name another endpoint";
      log.warn("traces are not received", { endpoint, error, remedy });
    } else if (error === undefined && before !== undefined) {
      log.info("traces are received again", { endpoint, dropped: this.#dropped });
    }
  }
}
