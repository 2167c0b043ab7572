import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { type Dated, timelineOf } from "./timeline.ts";

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
const object = (kind: string, uid: string, owner?: string, more: object = {}): Dated => ({
  kind, metadata: {
    uid, name: uid, creationTimestamp: at(0),
    ...owner ? { ownerReferences: [{ apiVersion: "v1", kind: "K", name: owner, uid: owner }] } : {},
  }, ...more,
});
const event = (uid: string, second: number, reason: string) => ({
  metadata: {}, involvedObject: { uid }, firstTimestamp: at(second), reason, message: "m",
  source: { component: "kubelet" }, count: 2,
}) as Event;

test("one apply is followed to its containers, and to no other object's", () => {
  const web = object("Deployment", "web");
  const pod = object("Pod", "p", "rs", { status: {
    conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: at(2) }],
    containerStatuses: [{ name: "c", state: { running: { startedAt: at(4) } }, lastState: {
      terminated: { exitCode: 3, startedAt: at(2), finishedAt: at(3) } } }],
  } });
  const others = [pod, object("Pod", "stranger"), object("ReplicaSet", "rs", "web")];
  const moments = timelineOf(web, others, [event("p", 2, "Pulled"), event("stranger", 3, "No")]);
  expect(moments.map(({ of, what }) => `${of}: ${what}`)).toEqual([
    "Deployment web: created", "ReplicaSet rs: created", "Pod p: created",
    "Pod p: PodScheduled is True", "Pod p: Pulled: m (2 times since)",
    "Pod p: container c starts", "Pod p: container c ends with 3", "Pod p: container c starts",
  ]);
});

test("stages within a second are in the order that they can have", () => {
  const pod = object("Pod", "p", undefined, { status: {
    conditions: ["Ready", "PodScheduled"].map((type) =>
      ({ type, status: "True", lastTransitionTime: at(0) })),
    containerStatuses: [{ name: "c", state: { running: { startedAt: at(0) } } }],
  } });
  expect(timelineOf(pod, [], [event("p", 0, "Scheduled")]).map(({ what }) => what)).toEqual([
    "created", "PodScheduled is True", "Scheduled: m (2 times since)", "container c starts",
    "Ready is True",
  ]);
});

test("a time that cannot be read is left out", () => {
  const web = object("Deployment", "web");
  const wrong = { ...event("web", 1, "Odd"), firstTimestamp: "yesterday" };
  expect(timelineOf(web, [], [wrong])).toHaveLength(1);
});
