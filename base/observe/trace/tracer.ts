import { AsyncLocalStorage } from "node:async_hooks";
import { ownText } from "@raft2kube/std/bytes.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { reported } from "@raft2kube/std/wait.ts";
import { ATTRIBUTE_CHARS_MAX, SAMPLING_RATE_MAX, SPAN_ATTRIBUTES_MAX } from "../limits.ts";
import type { SpanContext } from "./traceparent.ts";

export type Attribute = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, Attribute | undefined>>;

export type SpanKind = "internal" | "server" | "client";

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** The start, in milliseconds since 1970; by default now. */
  readonly start_ms?: number;
  /** Spans of other traces that led to this one. */
  readonly links?: readonly SpanContext[];
}

/** The process that spans come from: OpenTelemetry's resource. */
export interface TracedService {
  /** `service.name`, such as `apiserver`. */
  readonly name: string;
  /** `service.instance.id`, if there are several of the name. */
  readonly instance?: string | undefined;
}

/** Takes spans that have ended; never throws, never waits. */
export interface SpanSink {
  add(ended: Span): void;
  /** Returns the spans that it keeps. */
  recent?(): Span[];
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

const active = new AsyncLocalStorage<Span | undefined>();

/** An operation of a trace. A span that is not sampled is propagated, but not recorded. */
export class Span implements SpanContext {
  readonly owner: Tracer;
  readonly isSampled: boolean;
  readonly parentId: string | undefined;
  /** Names the operation; a span that is not sampled needs no name. */
  name: string;
  readonly kind: SpanKind;
  readonly start_ms: number;
  readonly links: readonly SpanContext[];
  readonly attributes: Record<string, Attribute> = {};
  failure: string | undefined;
  end_ms: number | undefined;
  readonly traceId: string;
  readonly spanId: string;
  /** Wall-clock time at the monotonic clock's 0: no step of the clock divides a trace. */
  readonly #epoch_ms: number;

  constructor(owner: Tracer, name: string, options: SpanOptions, parent?: SpanContext) {
    const { kind = "internal", attributes, start_ms, links = [] } = options;
    const { unsampled } = owner;
    const { clock } = owner.options;
    const isSampled = parent?.isSampled ?? owner.samples();
    this.owner = owner;
    this.name = isSampled ? bounded(name) : name;
    this.kind = kind;
    this.isSampled = isSampled;
    this.links = links;
    this.traceId = parent?.traceId ?? (isSampled ? owner.newId(32) : unsampled.traceId);
    this.spanId = isSampled ? owner.newId(16) : unsampled.spanId;
    this.parentId = parent?.spanId;
    this.#epoch_ms = parent instanceof Span ? parent.#epoch_ms : clock.now() - clock.monotonic();
    this.start_ms = start_ms ?? this.now_ms();
    if (isSampled && attributes) this.set(attributes);
  }

  /** Adds attributes; undefined ones are left out, long texts shortened. */
  set(attributes: Attributes): void {
    if (!this.isSampled) return;
    for (const [name, value] of Object.entries(attributes)) {
      const isFull = Object.keys(this.attributes).length >= SPAN_ATTRIBUTES_MAX;
      if (value === undefined || (isFull && !Object.hasOwn(this.attributes, name))) continue;
      this.attributes[name] = boundedValue(value);
    }
  }

  fail(message: string): void {
    if (this.end_ms === undefined) this.failure = bounded(message);
  }

  /** Ends the span, once, and hands it to the sink of its tracer. */
  end(): void {
    if (this.end_ms !== undefined) return;
    this.end_ms = this.now_ms();
    if (this.isSampled) this.owner.options.sink.add(this);
  }

  /** Returns milliseconds since 1970, with fractions, by the clock of its trace. */
  now_ms(): number {
    return this.#epoch_ms + this.owner.options.clock.monotonic();
  }

  /** Returns the part of it that is shown where spans are kept. */
  toJSON() {
    const { name, traceId, spanId, parentId, start_ms, end_ms = start_ms } = this;
    const { attributes, failure } = this;
    const service = this.owner.options.service.name;
    return { service, name, traceId, spanId, parentId, start_ms, end_ms, attributes, failure };
  }

  /** Runs `work` and all that it awaits as a part of this span. */
  run<T>(work: () => T): T {
    return active.run(this, work);
  }

  /** Starts a part of this span; undefined if it is not sampled. */
  child(name: string, options: SpanOptions = {}): Span | undefined {
    return this.isSampled ? new Span(this.owner, name, options, this) : undefined;
  }
}

/** Returns the span that the running code is a part of, until it ends, sampled or not. */
export function activeSpan(): Span | undefined {
  const span = active.getStore();
  return span?.end_ms === undefined ? span : undefined;
}

/** Starts a part of the active span; undefined if there is none, or it is not sampled. */
export function beginSpan(name: string, options: SpanOptions = {}): Span | undefined {
  return activeSpan()?.child(name, options);
}

/** Runs `work` as a part of no span: for what many requests share, and for exporters. */
export const untraced = <T>(work: () => T): T => active.run(undefined, work);

/** Makes the attributes of spans that are sampled; for others it is not called. */
type MakeAttributes = () => Attributes;

/** Runs `work` as a part of its own of the active span, if that is sampled, as `during` does. */
export function traced<T>(name: string, work: () => T, attributes?: MakeAttributes): T {
  const span = beginSpan(name);
  return span ? during(span, work, attributes) : work();
}

/** Runs `work` within `span`, which ends, or fails, with it: `reported` defines when. */
export function during<T>(span: Span, work: (span: Span) => T, attributes?: MakeAttributes): T {
  if (span.isSampled && attributes) span.set(attributes());
  const end = () => span.end();
  const failed = (thrown: unknown) => {
    span.fail(messageOf(thrown));
    end();
  };
  return reported(() => span.run(() => work(span)), end, failed);
}

function boundedValue(value: Attribute): Attribute {
  if (typeof value === "string") return bounded(value);
  return typeof value === "object" ? value.slice(0, SPAN_ATTRIBUTES_MAX).map(bounded) : value;
}

/** Spans are kept: none holds the request that a short text of it was cut from. */
function bounded(text: string): string {
  return ownText(text.length <= ATTRIBUTE_CHARS_MAX ? text : text.slice(0, ATTRIBUTE_CHARS_MAX));
}

/** Starts the spans of one component. Parent-based sampling, as upstream's components. */
export class Tracer {
  readonly options: TracerOptions;
  /** The ids of all its traces that are not sampled: connections compress a constant header. */
  readonly unsampled: SpanContext;

  constructor(options: TracerOptions) {
    this.options = options;
    this.unsampled = { traceId: this.newId(32), spanId: this.newId(16), isSampled: false };
  }

  /** Starts a part of `parent`, here or of another process, sampled as that; else a new trace. */
  start(name: string, options: SpanOptions = {}, parent?: SpanContext): Span {
    return new Span(this, name, options, parent);
  }

  /** Decides whether a new trace is sampled. */
  samples(): boolean {
    const { random, samplingRatePerMillion: rate } = this.options;
    return rate > 0 && randomInteger(random, 0, SAMPLING_RATE_MAX) < rate;
  }

  /** Runs `work` as a trace of its own, as `during` does. */
  trace<T>(name: string, work: (span: Span) => T, attributes?: MakeAttributes): T {
    return during(this.start(name), work, attributes);
  }

  /** Returns random hexadecimal digits, 32 for a trace, 16 for a span. */
  newId(digits: 16 | 32): string {
    // No word is 0: an id of zeros is invalid.
    const word = () => randomInteger(this.options.random, 1, 2 ** 32).toString(16);
    return Array.from({ length: digits / 8 }, () => word().padStart(8, "0")).join("");
  }

  close(): Promise<void> {
    return this.options.sink.close();
  }
}
