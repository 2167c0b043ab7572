import { ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, it } from "vitest";
import {
  ATTRIBUTE_CHARS_MAX,
  SAMPLING_RATE_MAX,
  SPAN_ATTRIBUTES_MAX,
  SPANS_KEPT_MAX,
} from "../limits.ts";
import { recentSpans } from "./recent-spans.ts";
import { parseTraceparent, traceparentOf } from "./traceparent.ts";
import { activeSpan, beginSpan, type Span, type SpanSink, Tracer, traced } from "./tracer.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const clock = new ManualClock(1_000);

/** The spans that have ended. */
class EndedSpans implements SpanSink {
  readonly all: Span[] = [];

  add(ended: Span): void {
    this.all.push(ended);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const sink = new EndedSpans();

const tracerOf = (samplingRatePerMillion: number) =>
  new Tracer({
    service: { name: "test" },
    sink,
    samplingRatePerMillion,
    clock,
    random: seededRandom(1),
  });

describe("traceparent", () => {
  it.each([
    ["sampled", `00-${TRACE}-${SPAN}-01`, true],
    ["not sampled", `00-${TRACE}-${SPAN}-00`, false],
    ["with unknown flags", `00-${TRACE}-${SPAN}-fe`, false],
    ["of a later version, with more fields", `cc-${TRACE}-${SPAN}-01-more`, true],
  ])("is read: %s", (_, text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
  });

  it.each([
    ["nothing", undefined],
    ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["a version that is invalid", `ff-${TRACE}-${SPAN}-01`],
    ["version 00 with more fields", `00-${TRACE}-${SPAN}-01-more`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["a short id", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["two headers", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ])("is ignored: %s", (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it("is what was read, when it is written", () => {
    const text = `00-${TRACE}-${SPAN}-01`;
    expect(traceparentOf(parseTraceparent(text)!)).toBe(text);
  });
});

describe("sampling", () => {
  it("follows the parent at any rate", () => {
    const parent = { traceId: TRACE, spanId: SPAN };
    const child = (rate: number, isSampled: boolean) =>
      tracerOf(rate).start("child", {}, { ...parent, isSampled });
    expect(child(0, true)).toMatchObject({ isSampled: true, traceId: TRACE, parentId: SPAN });
    expect(child(SAMPLING_RATE_MAX, false)).toMatchObject({ isSampled: false, traceId: TRACE });
  });

  it("takes the share of roots that the rate is", () => {
    const tracer = tracerOf(SAMPLING_RATE_MAX / 100);
    const roots = Array.from({ length: 20_000 }, () => tracer.start("root"));
    const sampled = roots.filter(({ isSampled }) => isSampled);
    expect(sampled.length).toBeGreaterThan(140);
    expect(sampled.length).toBeLessThan(260);
    expect(tracerOf(0).start("root").isSampled).toBe(false);
    expect(new Set(sampled.map(({ traceId }) => traceId)).size).toBe(sampled.length);
  });
});

describe("the active span", () => {
  it("is that of the running code, over awaits and beside others", async () => {
    const tracer = tracerOf(SAMPLING_RATE_MAX);
    const [a, b] = [tracer.start("a"), tracer.start("b")];
    const later = async (span: Span) => {
      await Promise.resolve();
      expect(activeSpan()).toBe(span);
    };
    await Promise.all([a.run(() => later(a)), b.run(() => later(b))]);
    expect(activeSpan()).toBeUndefined();
  });

  it("is none once it has ended, for work that goes on", async () => {
    const root = tracerOf(SAMPLING_RATE_MAX).start("root");
    const { promise, resolve } = Promise.withResolvers<void>();
    const work = root.run(async () => {
      await promise;
      return beginSpan("late");
    });
    root.end();
    resolve();
    expect(await work).toBeUndefined();
  });

  it("that is not sampled has no parts, and is propagated", async () => {
    const root = tracerOf(0).start("root");
    const parts = root.run(() => [beginSpan("part"), activeSpan()]);
    expect(parts).toEqual([undefined, root]);
    expect(parseTraceparent(traceparentOf(root))).toMatchObject({ isSampled: false });
    const tracer = tracerOf(0);
    const header = () => traceparentOf(tracer.start("root"));
    expect(header()).toBe(header());
    const parent = { traceId: TRACE, spanId: SPAN, isSampled: false };
    expect(traceparentOf(tracer.start("child", {}, parent))).toContain(`00-${TRACE}-`);
    const attributes = () => expect.unreachable("attributes of a span that is not sampled");
    expect(await root.run(() => traced("part", () => Promise.resolve(7), attributes))).toBe(7);
  });
});

describe("a span", () => {
  it("has the times of its tracer's clock, its parts and its failure", async () => {
    const kept = new EndedSpans();
    const tracer = new Tracer({
      service: { name: "test" },
      sink: kept,
      clock,
      samplingRatePerMillion: SAMPLING_RATE_MAX,
      random: seededRandom(2),
    });
    const root = tracer.start("root");
    const failing = root.run(() =>
      traced(
        "part",
        async () => {
          clock.advance(10);
          throw new Error("it broke");
        },
        () => ({ key: "k", none: undefined }),
      ),
    );
    await expect(failing).rejects.toThrow("it broke");
    root.end();
    root.fail("too late");
    root.end();
    const [part, whole] = kept.all;
    expect(kept.all).toHaveLength(2);
    expect(part).toMatchObject({
      name: "part",
      parentId: root.spanId,
      traceId: root.traceId,
      attributes: { key: "k" },
      failure: "it broke",
    });
    expect(part!.end_ms! - part!.start_ms).toBe(10);
    expect(whole).toMatchObject({ name: "root", parentId: undefined, failure: undefined });
  });

  it("fails by what its work throws before it returns a promise", () => {
    const root = tracerOf(SAMPLING_RATE_MAX).start("root");
    const failing = () =>
      root.run(() =>
        traced("part", () => {
          throw new Error("it broke");
        }),
      );
    expect(failing).toThrow("it broke");
    expect(sink.all.at(-1)).toMatchObject({ name: "part", failure: "it broke" });
  });

  it("bounds its attributes and their texts", () => {
    const root = tracerOf(SAMPLING_RATE_MAX).start("root");
    root.set({ long: "x".repeat(10 * ATTRIBUTE_CHARS_MAX) });
    for (let i = 0; i < 2 * SPAN_ATTRIBUTES_MAX; i++) root.set({ [`a${i}`]: i });
    expect(root.attributes["long"]).toHaveLength(ATTRIBUTE_CHARS_MAX);
    expect(Object.keys(root.attributes)).toHaveLength(SPAN_ATTRIBUTES_MAX);
  });
});

it("a process keeps its newest spans", () => {
  const kept = recentSpans();
  const tracer = new Tracer({
    service: { name: "test" },
    sink: kept,
    clock,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
    random: seededRandom(3),
  });
  for (let at = 0; at < SPANS_KEPT_MAX + 2; at++) tracer.start(`${at}`).end();
  const names = kept.recent().map(({ name }) => name);
  expect([names.length, names[0], names.at(-1)]).toEqual([
    SPANS_KEPT_MAX,
    "2",
    `${SPANS_KEPT_MAX + 1}`,
  ]);
});
