import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { RecentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import { expect, it } from "vitest";
import { type JsonSpans, readSpans } from "../../../testing/trace/received-span.ts";
import { tracesOf } from "./traces-of.ts";
import { startTracing } from "./tracing.ts";

const ALL = { samplingRatePerMillion: SAMPLING_RATE_MAX };

it("shows whole traces in which an object occurs by name, and no others", async () => {
  const tracer = startTracing({ name: "apiserver" }, ALL, new RecentSpans());
  const trace = (name: string, key: string) =>
    tracer.trace(
      name,
      () => ({ "http.response.status_code": 201, ratio: 0.5, ok: true }),
      () => {
        tracer.begin("Create etcd3", { attributes: { key, list: ["a", "b"] } }).end();
      },
    );
  await trace("wanted", "/registry/pods/default/web-1");
  await trace("other", "/registry/pods/default/web-10");
  const spans = readSpans(JSON.parse(tracesOf(tracer, ["web-1", "web"])!) as JsonSpans);
  expect(spans.map(({ name }) => name)).toEqual(["Create etcd3", "wanted"]);
  const [part, root] = spans;
  expect(part).toMatchObject({
    service: "apiserver",
    parentId: root!.spanId,
    attributes: { key: "/registry/pods/default/web-1", list: ["a", "b"] },
  });
  expect(root?.attributes).toEqual({ "http.response.status_code": 201, ratio: 0.5, ok: true });
  const named = (name: string) =>
    readSpans(JSON.parse(tracesOf(tracer, [name])!) as JsonSpans).length;
  expect([named("b"), named("c")]).toEqual([4, 0]);
  expect(readSpans(JSON.parse(tracesOf(tracer, [])!) as JsonSpans)).toEqual([]);
});

it("shows nothing where spans are sent away, or nothing is traced", async () => {
  const sent = startTracing({ name: "apiserver" }, { endpoint: "127.0.0.1:1" });
  expect([tracesOf(sent, ["web"]), tracesOf(undefined, ["web"])]).toEqual([undefined, undefined]);
  await sent.close();
});
