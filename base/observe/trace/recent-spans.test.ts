import { systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { expect, it } from "vitest";
import { SAMPLING_RATE_MAX } from "../limits.ts";
import { recentSpans, tracesOf } from "./recent-spans.ts";
import { beginSpan, type SpanSink, Tracer } from "./tracer.ts";

const tracerTo = (sink: SpanSink) =>
  new Tracer({
    service: { name: "apiserver" },
    sink,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
    clock: systemClock(),
    random: systemRandom,
  });

it("shows whole traces in which an object occurs by name, and no others", async () => {
  const tracer = tracerTo(recentSpans());
  const trace = (name: string, key: string) =>
    tracer.trace(
      name,
      () => {
        beginSpan("Create etcd3", { attributes: { key, list: ["a", "b"] } })?.end();
      },
      () => ({ "http.response.status_code": 201, ratio: 0.5, ok: true }),
    );
  await trace("wanted", "/registry/pods/default/web-1");
  await trace("other", "/registry/pods/default/web-10");
  const shown = (...names: string[]) =>
    (JSON.parse(tracesOf(tracer, names)!) as { spans: Record<string, unknown>[] }).spans;
  const spans = shown("web-1", "web");
  expect(spans.map(({ name }) => name)).toEqual(["Create etcd3", "wanted"]);
  const [part, root] = spans;
  expect(part).toMatchObject({
    service: "apiserver",
    traceId: root!["traceId"],
    parentId: root!["spanId"],
    attributes: { key: "/registry/pods/default/web-1", list: ["a", "b"] },
  });
  expect(root?.["attributes"]).toEqual({ "http.response.status_code": 201, ratio: 0.5, ok: true });
  expect(root!["end_ms"]).toBeGreaterThanOrEqual(Number(root!["start_ms"]));
  expect([shown("b").length, shown("c").length, shown().length]).toEqual([4, 0, 0]);
  expect([shown("201"), shown("true"), shown("0.5")]).toEqual([[], [], []]);
});

it("shows nothing where spans are sent away, or nothing is traced", () => {
  const sent = tracerTo({ add: () => undefined, close: () => Promise.resolve() });
  expect([tracesOf(sent, ["web"]), tracesOf(undefined, ["web"])]).toEqual([undefined, undefined]);
});
