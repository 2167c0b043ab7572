import type { Clock } from "@raft2kube/std/clock.ts";
import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { SAMPLING_RATE_MAX } from "../limits.ts";
import {
  type Attributes,
  activeSpan,
  during,
  Span,
  type SpanOptions,
  type SpanOwner,
} from "./span.ts";
import type { SpanContext } from "./traceparent.ts";

/** The process that spans come from: OpenTelemetry's resource. */
export interface TracedService {
  /** `service.name`, such as `apiserver`. */
  readonly name: string;
  /** `service.instance.id`, if there are several of the name. */
  readonly instance?: string | undefined;
}

/** An ended span and where it comes from. */
export type EndedSpan = { readonly service: TracedService; readonly span: Span };

/** Takes spans that have ended; never throws, never waits. */
export interface SpanSink {
  add(ended: EndedSpan): void;
  /** Returns the spans that it keeps, if it keeps them. */
  recent?(): EndedSpan[];
  /** Spans that were lost because their receiver was away, or refused them. */
  readonly dropped?: number;
  /** Sends what is left, for a bounded time, and frees everything. */
  close(): Promise<void>;
}

export interface TracerOptions {
  readonly service: TracedService;
  readonly sink: SpanSink;
  /** Root spans that are sampled, per million; others follow their parent. */
  readonly samplingRatePerMillion: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** The wall clock may differ so much from the monotonic one before spans follow it again. */
const CLOCK_STEP_MS = 5;

/** Starts the spans of one component. Parent-based sampling, as upstream's components. */
export class Tracer implements SpanOwner {
  readonly #options: TracerOptions;
  /** Wall-clock time at the monotonic clock's 0. */
  #epoch_ms: number;
  readonly unsampled: SpanContext;

  constructor(options: TracerOptions) {
    this.#options = options;
    const { clock } = options;
    this.#epoch_ms = clock.now() - clock.monotonic();
    this.unsampled = { traceId: this.newTraceId(), spanId: this.newSpanId(), isSampled: false };
  }

  /** Starts a part of a span, here or in another process; its decision whether to sample counts. */
  child(parent: SpanContext, name: string, options: SpanOptions = {}): Span {
    return new Span(this, name, options, { parent, isSampled: parent.isSampled });
  }

  /** Starts a new trace, which is sampled or not. */
  root(name: string, options: SpanOptions = {}): Span {
    const { random, samplingRatePerMillion: rate, clock } = this.#options;
    const isSampled = rate > 0 && randomInteger(random, 0, SAMPLING_RATE_MAX) < rate;
    const epoch_ms = clock.now() - clock.monotonic();
    if (Math.abs(epoch_ms - this.#epoch_ms) > CLOCK_STEP_MS) this.#epoch_ms = epoch_ms;
    return new Span(this, name, options, { isSampled });
  }

  /** Starts a part of `parent`, else of the active span, else a new trace. */
  begin(name: string, options: SpanOptions = {}, parent?: SpanContext): Span {
    const known = parent ?? activeSpan();
    return known ? this.child(known, name, options) : this.root(name, options);
  }

  /** Spans of this process that its receiver did not get. */
  get dropped(): number {
    return this.#options.sink.dropped ?? 0;
  }

  /** Runs `work` as a trace of its own; `attributes` is called if that is sampled. */
  trace<T>(name: string, attributes: () => Attributes, work: () => T): T {
    const span = this.root(name);
    if (span.isSampled) span.set(attributes());
    return during(span, work);
  }

  /** Returns the spans that are kept in this process; undefined if they are sent away. */
  recent(): EndedSpan[] | undefined {
    return this.#options.sink.recent?.();
  }

  now_ms(): number {
    return this.#epoch_ms + this.#options.clock.monotonic();
  }

  newTraceId(): string {
    return this.newSpanId() + this.newSpanId();
  }

  newSpanId(): string {
    // The last word is never 0: an id of zeros is invalid.
    const { random } = this.#options;
    const word = (from: number) => randomInteger(random, from, 2 ** 32).toString(16);
    return word(0).padStart(8, "0") + word(1).padStart(8, "0");
  }

  ended(span: Span): void {
    const { service, sink } = this.#options;
    sink.add({ service, span });
  }

  /** Returns the tracer of a component that follows its callers, with the same sink. */
  of(service: TracedService): Tracer {
    return new Tracer({ ...this.#options, service, samplingRatePerMillion: 0 });
  }

  /** Closes the sink. */
  close(): Promise<void> {
    return this.#options.sink.close();
  }
}
