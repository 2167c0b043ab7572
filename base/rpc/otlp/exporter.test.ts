import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { freePort } from "../../../testing/free-port.ts";
import { startReceiver } from "../../../testing/trace/own-receiver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { RpcError, Status } from "../error.ts";
import { EXPORT_INTERVAL_MS, SPANS_BATCH_MAX, SPANS_QUEUED_MAX } from "../limits.ts";
import { otlpExporter } from "./exporter.ts";
import { checkTracing, startTracing } from "./tracing.ts";

const real = systemClock();
const until = (what: string, holds: () => boolean) =>
  waitFor(what, holds, { timeout_ms: 10_000, interval_ms: 5 });

let clock: ManualClock;
let lines: string[];
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  clock = new ManualClock();
  lines = [];
  configureLog({ level: "info", stream: { write: (line) => lines.push(line) } });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  configureLog({ level: "silent" });
});

const AWAY = expect.stringMatching(/^traces are not received by http:.*, trying again$/) as string;
const messages = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);

function start(endpoint: string) {
  const exporter = otlpExporter(`http://${endpoint}`, clock);
  const tracer = new Tracer({
    service: { name: "test", instance: "i" },
    sink: exporter,
    clock,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
    random: systemRandom,
  });
  closers.push(() => exporter.close());
  return {
    exporter,
    add: (count: number) => {
      for (let i = 0; i < count; i++) tracer.start(`span ${i}`).end();
    },
  };
}

async function receiver(...options: Parameters<typeof startReceiver>) {
  const started = await startReceiver(...options);
  closers.push(started.close);
  return started;
}

it("sends a full batch without waiting, the rest after the interval", async () => {
  const { endpoint, spans } = await receiver();
  const { exporter, add } = start(endpoint);
  add(SPANS_BATCH_MAX);
  await until("a batch", () => spans().length === SPANS_BATCH_MAX);
  add(1);
  clock.advance(EXPORT_INTERVAL_MS);
  await until("the rest", () => spans().length === SPANS_BATCH_MAX + 1);
  expect(spans()[0]).toMatchObject({ service: "test", name: "span 0", parentId: "", status: 0 });
  expect([exporter.dropped, messages()]).toEqual([0, []]);
});

it("sends what is left when it closes", async () => {
  const { endpoint, spans } = await receiver();
  const { exporter, add } = start(endpoint);
  add(3);
  await exporter.close();
  expect(spans()).toHaveLength(3);
});

it("keeps spans for a receiver that is away, counts those beyond, and logs one line", async () => {
  const port = await freePort();
  const { exporter, add } = start(`127.0.0.1:${port}`);
  add(SPANS_QUEUED_MAX + 10);
  await until("the failure", () => lines.length > 0);
  for (let i = 0; i < 5; i++) clock.advance(EXPORT_INTERVAL_MS);
  expect(exporter.dropped).toBe(10);
  const { spans } = await receiver(undefined, port);
  await until("the spans", () => {
    clock.advance(EXPORT_INTERVAL_MS);
    return spans().length >= SPANS_QUEUED_MAX;
  });
  expect(new Set(spans().map(({ spanId }) => spanId)).size).toBe(SPANS_QUEUED_MAX);
  expect(messages()).toEqual([AWAY]);
});

it("drops what the receiver refuses for good, and counts what it takes in part", async () => {
  const answers = [
    () => {
      throw new RpcError(Status.INVALID_ARGUMENT, "not these");
    },
    () => ({ partialSuccess: { rejectedSpans: 2, errorMessage: "too old" } }),
    () => ({ partialSuccess: { rejectedSpans: -9, errorMessage: "none" } }),
    () => ({ partialSuccess: { rejectedSpans: 2 ** 52, errorMessage: "more than there are" } }),
  ];
  let requests = 0;
  const { endpoint } = await receiver(() => answers[requests++]!());
  const { exporter, add } = start(endpoint);
  add(SPANS_BATCH_MAX);
  await until("the refusal", () => exporter.dropped === SPANS_BATCH_MAX);
  add(5);
  clock.advance(EXPORT_INTERVAL_MS);
  await until("the rest", () => exporter.dropped === SPANS_BATCH_MAX + 2);
  for (const answered of [3, 4]) {
    add(5);
    clock.advance(EXPORT_INTERVAL_MS);
    await until("the answer", () => requests === answered);
  }
  await until("a full loss", () => exporter.dropped === SPANS_BATCH_MAX + 7);
  expect([requests, messages()]).toEqual([4, [AWAY, AWAY, AWAY]]);
});

it("does not wait for a receiver that does not answer, when it closes", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { endpoint } = await receiver(() => promise as never);
  closers.push(resolve);
  const exporter = otlpExporter(`http://${endpoint}`, real);
  const tracer = new Tracer({
    service: { name: "test" },
    sink: exporter,
    clock: real,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
    random: systemRandom,
  });
  tracer.start("root").end();
  await exporter.close();
  expect(exporter.dropped).toBe(1);
});

it.each([
  ["endpoint", { endpoint: "https://collector:4317" }],
  ["endpoint", { endpoint: "collector:4317/path" }],
  ["endpoint", { endpoint: "" }],
  ["samplingRatePerMillion", { samplingRatePerMillion: -1 }],
  ["samplingRatePerMillion", { samplingRatePerMillion: SAMPLING_RATE_MAX + 1 }],
  ["samplingRatePerMillion", { samplingRatePerMillion: 0.5 }],
])("refuses a configuration, naming %s: %j", (field, config) => {
  expect(() => startTracing({ name: "test" }, config)).toThrow(new RegExp(`^${field}: `));
});

it.each([
  "localhost:4317",
  "127.0.0.1:4317",
  "[::1]:4317",
  "dns:///collector.monitoring:4317",
  "unix:///run/collector.sock",
])("accepts the address %s", (endpoint) => {
  expect(() => checkTracing({ endpoint })).not.toThrow();
});
