import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import type { Dated } from "./moment.ts";
import { ownedBy, timelineOf } from "./timeline.ts";
import { type KeptSpan, readSpans } from "./traced-moments.ts";

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
const object = (kind: string, uid: string, owner?: string, more: object = {}): Dated => ({
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
const event = (uid: string, second: number, reason: string) =>
  ({
    metadata: {},
    involvedObject: { uid },
    firstTimestamp: at(second),
    reason,
    message: "m",
    source: { component: "kubelet" },
    count: 2,
  }) as Event;

test("one apply is followed to its pods, and to no other object's", () => {
  const condition = (type: string) => ({ type, status: "True", lastTransitionTime: at(2) });
  const web = object("Deployment", "web", undefined, {
    status: { conditions: [condition("Available")] },
  });
  const pod = object("Pod", "p", "rs", {
    status: { conditions: [condition("PodScheduled"), condition("Ready")] },
  });
  const others = [object("ReplicaSet", "rs", "web"), pod, object("Pod", "stranger")];
  const moments = timelineOf(
    [web, ...ownedBy(web, others)],
    [event("p", 2, "Pulled"), event("p", 2, "Started"), event("stranger", 3, "No")],
  );
  expect(moments.map(({ of, what }) => `${of}: ${what}`)).toEqual([
    "Deployment web: created",
    "ReplicaSet rs: created",
    "Pod p: created",
    "Pod p: Pulled: m (2 times since)",
    "Pod p: Started: m (2 times since)",
    "Pod p: PodScheduled is True",
    "Pod p: Ready is True",
    "Deployment web: Available is True",
  ]);
});

test("an EndpointSlice with one of the pods is followed too, others' are not", () => {
  const slice = (uid: string, pod: string) =>
    object("EndpointSlice", uid, "service", { endpoints: [{ targetRef: { uid: pod } }] });
  const others = [object("Pod", "p", "web"), slice("s", "p"), slice("t", "stranger")];
  const web = object("Deployment", "web");
  const family = [web, ...ownedBy(web, others)];
  expect(timelineOf(family, []).map(({ of }) => of)).toEqual([
    "Deployment web",
    "Pod p",
    "EndpointSlice s",
  ]);
});

test("a time that cannot be read is left out", () => {
  const web = object("Deployment", "web");
  const wrong = { ...event("web", 1, "Odd"), firstTimestamp: "yesterday" };
  expect(timelineOf([web], [wrong])).toHaveLength(1);
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

test("traces of an object's writes and of its pods are steps, with their exact times", () => {
  const start_ms = Date.parse(at(0));
  const web = object("Deployment", "web");
  const pod = object("Pod", "p", "web", {
    status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: at(0) }] },
  });
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
  const moments = timelineOf([web, pod], [], answers.flat());
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
    [0, undefined, undefined, "Deployment web", "API server", "created"],
    [0, undefined, undefined, "Pod p", "condition", "Ready is True"],
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
  const steps = (...family: Dated[]) =>
    timelineOf(family, [], answer)
      .filter(({ depth }) => depth !== undefined)
      .map(({ of, what }) => `${of}: ${what}`);
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
  const traced = timelineOf([pod], [], answer).filter(({ depth }) => depth !== undefined);
  expect(traced.map(({ what }) => what)).toEqual(["syncPod", "CreateContainer"]);
});

test("what a node with another clock dated is where it belongs", () => {
  const web = object("Deployment", "web");
  const pod = object("Pod", "p", "web", {
    spec: { nodeName: "ahead" },
    status: {
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: at(1) },
        { type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:02:03Z" },
      ],
    },
  });
  const source = { component: "kubelet", host: "ahead" };
  const started = { ...event("p", 0, "Started"), firstTimestamp: "2026-01-01T00:02:02Z", source };
  const skews = new Map([["ahead", 120_000]]);
  const moments = timelineOf([web, pod], [started], [], skews);
  expect(moments.slice(2).map(({ at_ms, what }) => [at_ms, what])).toEqual([
    [Date.parse(at(1)), "PodScheduled is True"],
    [Date.parse(at(2)), "Started: m (2 times since)"],
    [Date.parse(at(3)), "Ready is True"],
  ]);
});

test("nothing is before its cause, whichever clock dated it", () => {
  const early_ms = Date.parse(at(0)) - 300_000;
  const pod = object("Pod", "p");
  const before = { ...event("p", 0, "Started"), firstTimestamp: new Date(early_ms).toISOString() };
  const answer = traces(
    "kubelet",
    span("syncPod", Date.parse(at(1)), 900, { attributes: { "k8s.pod.uid": "p" } }),
    span("CreateContainer", early_ms, -5, { parentId: "syncPod" }),
    span("StartContainer", Date.parse(at(1)) - 20, 5, { parentId: "syncPod" }),
  );
  const moments = timelineOf([pod], [before], answer);
  expect(moments.map(({ at_ms, took_ms, what }) => [at_ms, took_ms, what])).toEqual([
    [Date.parse(at(0)), undefined, "Started: m (2 times since) (by a clock 5m behind, or more)"],
    [Date.parse(at(1)), 900, "syncPod"],
    [Date.parse(at(1)), 0, "CreateContainer (by a clock 5m1s behind, or more)"],
    [Date.parse(at(1)), 5, "StartContainer"],
  ]);
});

test("a static pod runs before the object that shows it", () => {
  const pod = object("Pod", "p", undefined, {
    status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: at(0) }] },
  });
  const annotations = { "kubernetes.io/config.mirror": "hash" };
  Object.assign(pod.metadata, { creationTimestamp: at(5), annotations });
  expect(timelineOf([pod], []).map(({ what }) => what)).toEqual(["Ready is True", "created"]);
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
  expect(readSpans([...hostile, span], 1_000)).toEqual([
    { ...span, start_ms: 4_000, end_ms: 5_000 },
  ]);
  expect(readSpans({ not: "a list" })).toBeUndefined();
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
  const moments = timelineOf(family, [], spans);
  expect(moments.filter(({ of }) => of === "Pod p99")).toHaveLength(spans.length);
  expect(looks).toBeLessThan(5 * family.length);
});
