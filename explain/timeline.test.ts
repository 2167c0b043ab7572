import { expect, test } from "vitest";
import { ownedBy } from "./owned.ts";
import { type KeptSpan, readSpans, skewText, type Traced, timelineOf } from "./timeline.ts";

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
const object = (kind: string, uid: string, owner?: string, more: object = {}): Traced => ({
  kind,
  metadata: {
    uid,
    name: uid,
    creationTimestamp: at(0),
    ...(owner
      ? { ownerReferences: [{ apiVersion: "v1", kind: "K", name: owner, uid: owner }] }
      : {}),
  },
  ...more,
});

test("an object's family is what it owns, through others too, and no other's", () => {
  const web = object("Deployment", "web");
  const pod = object("Pod", "p", "rs");
  const others = [pod, object("ReplicaSet", "rs", "web"), object("Pod", "stranger")];
  expect(ownedBy(web, others).map(({ metadata }) => metadata.name)).toEqual(["rs", "p"]);
});

test("each object is looked at once, in a chain of owners too", () => {
  let looks = 0;
  const chain = Array.from({ length: 500 }, (_, i) => {
    const { metadata } = object("ConfigMap", `m${i}`, i === 499 ? "root" : `m${i + 1}`);
    return {
      kind: "ConfigMap",
      get metadata() {
        looks++;
        return metadata;
      },
    };
  });
  expect(ownedBy(object("ConfigMap", "root"), chain)).toHaveLength(500);
  expect(looks).toBeLessThan(3 * 500);
});

test("an EndpointSlice with one of the pods is followed too, others' are not", () => {
  const slice = (uid: string, pod: string) =>
    object("EndpointSlice", uid, "service", { endpoints: [{ targetRef: { uid: pod } }] });
  const others = [object("Pod", "p", "web"), slice("s", "p"), slice("t", "stranger")];
  const web = object("Deployment", "web");
  expect(ownedBy(web, others).map(({ metadata }) => metadata.name)).toEqual(["p", "s"]);
});

const span = (name: string, start_ms: number, took_ms: number, more: object = {}) => ({
  traceId: "t",
  spanId: name,
  name,
  start_ms,
  end_ms: start_ms + took_ms,
  attributes: {},
  parentId: undefined,
  failure: undefined,
  ...more,
});
const traces = (service: string, ...spans: ReturnType<typeof span>[]): KeptSpan[] =>
  spans.map((each) => ({ service, ...each }));

const SCORES = "Score (NodeResourcesFit a: 50 x 1; c: 70 x 1; ImageLocality a: 9 x 1; c: 0 x 1)";

test("traces of an object's writes and of its pods are steps, with their exact times", () => {
  const start_ms = Date.parse(at(0));
  const web = object("Deployment", "web");
  const pod = object("Pod", "p", "web");
  const family = [web, pod].map(({ metadata }) => Object.assign(metadata, { namespace: "n" }));
  expect(family).toHaveLength(2);
  const key = (text: string) => ({ attributes: { key: text } });
  const answers = [
    traces(
      "apiserver",
      span("POST /pods", start_ms + 2, 9, { attributes: { "user_agent.original": "r2k" } }),
      span("Create etcd3", start_ms + 3, 5, {
        parentId: "POST /pods",
        ...key("/registry/pods/n/p"),
      }),
      span("propose", start_ms + 4, 3, { parentId: "Create etcd3" }),
    ),
    traces(
      "scheduler",
      span("Scheduling", start_ms + 20, 4, {
        traceId: "s",
        attributes: { "k8s.pod.uid": "p", "k8s.node.name": "a" },
      }),
      span("Filter", start_ms + 21, 1, {
        traceId: "s",
        parentId: "Scheduling",
        attributes: { NodePorts: "a: passes; b: no free ports" },
      }),
      span("Score", start_ms + 22, 1, {
        traceId: "s",
        parentId: "Scheduling",
        attributes: {
          NodeResourcesFit: "a: 50 x 1; c: 70 x 1",
          ImageLocality: "a: 9 x 1; c: 0 x 1",
        },
      }),
    ),
    traces(
      "apiserver",
      span("Create etcd3", start_ms, 1, {
        traceId: "x",
        spanId: "x",
        ...key("/registry/pods/n/p2"),
      }),
    ),
  ];
  const moments = timelineOf([web, pod], answers.flat());
  expect(
    moments.map(({ at_ms, took_ms, depth, of, who, what }) => [
      at_ms - start_ms,
      took_ms,
      depth,
      of,
      who,
      what,
    ]),
  ).toEqual([
    [2, 9, 0, "Pod p", "apiserver", "POST /pods (r2k)"],
    [4, 3, 1, "Pod p", "apiserver", "propose"],
    [20, 4, 0, "Pod p", "scheduler", "Scheduling (a)"],
    [21, 1, 1, "Pod p", "scheduler", "Filter (NodePorts a: passes; b: no free ports)"],
    [22, 1, 1, "Pod p", "scheduler", SCORES],
  ]);
});

test("the rules of the proxy, and the first packet, are steps of the pod with the address", () => {
  const start_ms = Date.parse(at(0));
  const [pod, other, next] = ["10.244.0.5", "10.244.0.50", "10.244.0.6"].map((podIP, i) =>
    object("Pod", `p${i}`, "web", { status: { podIP } }),
  );
  const answer = traces(
    "proxy",
    span("syncProxyRules", start_ms, 2, {
      attributes: { addresses: ["10.244.0.5", "10.244.0.6"] },
    }),
    span("firstPacket", start_ms + 5, 1, {
      parentId: "syncProxyRules",
      attributes: { addresses: ["10.244.0.6"], connection: "10.244.0.7:4 to 10.96.0.1:80" },
    }),
  );
  const steps = (...family: Traced[]) =>
    timelineOf(family, answer).map(({ of, what }) => `${of}: ${what}`);
  const rules = "syncProxyRules (10.244.0.5, 10.244.0.6)";
  const packet = "firstPacket (10.244.0.6; 10.244.0.7:4 to 10.96.0.1:80)";
  expect(steps(pod!, next!)).toEqual([`Pod p0: ${rules}`, `Pod p2: ${packet}`]);
  expect(steps(other!)).toEqual([]);
});

test("a step comes before its part that starts at the same time", () => {
  const start_ms = Date.parse(at(0));
  const pod = object("Pod", "p");
  const answer = traces(
    "kubelet",
    span("CreateContainer", start_ms, 1, { parentId: "syncPod" }),
    span("syncPod", start_ms, 5, { attributes: { "k8s.pod.uid": "p" } }),
  );
  const traced = timelineOf([pod], answer);
  expect(traced.map(({ what }) => what)).toEqual(["syncPod", "CreateContainer"]);
});

test("nothing is before its cause, whichever clock dated it", () => {
  const early_ms = Date.parse(at(0)) - 300_000;
  const pod = object("Pod", "p");
  const answer = traces(
    "kubelet",
    span("syncPod", Date.parse(at(1)), 900, { attributes: { "k8s.pod.uid": "p" } }),
    span("CreateContainer", early_ms, -5, { parentId: "syncPod" }),
    span("StartContainer", Date.parse(at(1)) - 20, 5, { parentId: "syncPod" }),
  );
  const moments = timelineOf([pod], answer);
  expect(moments.map(({ at_ms, took_ms, what }) => [at_ms, took_ms, what])).toEqual([
    [Date.parse(at(1)), 900, "syncPod"],
    [Date.parse(at(1)), 0, "CreateContainer (by a clock 5m1s behind, or more)"],
    [Date.parse(at(1)), 5, "StartContainer"],
  ]);
});

test("what a stolen node shows in place of spans is left out", () => {
  const span = {
    ...{ service: "kubelet", name: "n", traceId: "t", spanId: "s", start_ms: 5_000, end_ms: 6_000 },
    attributes: { addresses: ["a"] },
  };
  const hostile = [
    ...[null, 1, "span", [], { ...span, name: undefined }, { ...span, attributes: null }],
    { ...span, attributes: { result: { toString: 1 } } },
    { ...span, failure: {} },
    { ...span, name: "/List".repeat(1_000) },
    { ...span, start_ms: "1" },
  ];
  expect(readSpans({ spans: [...hostile, span], now_ms: 9_000 }, 9_500)?.spans).toEqual([span]);
  expect(readSpans({ spans: [span], now_ms: "1e9" }, 0)).toEqual({ skew_ms: 0, spans: [span] });
  for (const other of [null, 1, { not: "a list" }]) expect(readSpans(other, 0)).toBeUndefined();
});

test("the times of a component are corrected by its clock when it answers", () => {
  const kept = { service: "kubelet", ...span("syncPod", 200_000, 1_000) };
  const read = readSpans({ spans: [kept], now_ms: 325_000 }, 200_000);
  const spans = [{ ...kept, start_ms: 75_000, end_ms: 76_000 }];
  expect(read).toEqual({ skew_ms: 125_000, spans });
  expect([125_000, -7_200_000].map((skew_ms) => skewText("node-1", skew_ms))).toEqual([
    "the clock of node-1 is 2m5s ahead of the API server's",
    "the clock of node-1 is 120m behind the API server's",
  ]);
});

test("steps are found without a look at each object for each: a node may show thousands", () => {
  let looks = 0;
  const family = Array.from({ length: 100 }, (_, i) => ({
    ...object("Pod", `p${i}`),
    get status() {
      looks++;
      return { podIP: `10.244.0.${i}` };
    },
  }));
  const spans = Array.from({ length: 100 }, (_, i) => ({
    ...{ service: "proxy", name: "syncProxyRules", traceId: `t${i}`, spanId: `s${i}` },
    ...{ start_ms: 0, end_ms: 1, attributes: { addresses: ["10.244.0.99"] }, failure: undefined },
    parentId: undefined,
  }));
  const moments = timelineOf(family, spans);
  expect(moments.filter(({ of }) => of === "Pod p99")).toHaveLength(spans.length);
  expect(looks).toBeLessThan(5 * family.length);
});
