import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import type { Dated } from "./moment.ts";
import { ownedBy, timelineOf } from "./timeline.ts";
import type { KeptSpan } from "./traced-moments.ts";

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

test("the rules of the proxy are a step of the pod whose address is new in them", () => {
  const start_ms = Date.parse(at(0));
  const [pod, other] = ["10.244.0.5", "10.244.0.50"].map((podIP, i) =>
    object("Pod", `p${i}`, "web", { status: { podIP } }),
  );
  const answer = traces(
    "proxy",
    span("syncProxyRules", start_ms, 2, {
      attributes: { addresses: ["10.244.0.5", "10.244.0.6"] },
    }),
  );
  const steps = (first: Dated) =>
    timelineOf([first], [], answer)
      .filter(({ depth }) => depth !== undefined)
      .map(({ of, what }) => `${of}: ${what}`);
  expect(steps(pod!)).toEqual(["Pod p0: syncProxyRules (10.244.0.5, 10.244.0.6)"]);
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
