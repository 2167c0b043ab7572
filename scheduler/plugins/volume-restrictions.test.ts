import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { expect, test } from "vitest";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { failedCycle, preemptionAfter, victimsOf } from "../testing/preemption.ts";
import { volumeRestrictions } from "./volume-restrictions.ts";

const claims = new Map(
  ["ReadWriteOncePod", "ReadWriteOnce"].map((mode) => {
    const spec = { accessModes: [mode], resources: { requests: { storage: "1Gi" } } };
    return [`default/${mode}`, { metadata: { name: mode }, spec } as PersistentVolumeClaim];
  }),
);
const view: ReadStore<PersistentVolumeClaim> = {
  get: (key) => claims.get(key),
  list: () => [...claims.values()],
} as ReadStore<PersistentVolumeClaim>;
const framework = frameworkOf(DEFAULT_PROFILE, [volumeRestrictions(view)]);

const using = (name: string, claimName: string, priority = 0): Pod =>
  pod(name, { priority, volumes: [{ name: "data", persistentVolumeClaim: { claimName } }] });

function decide(wanted: Pod, first: Pod) {
  const nodes = snapshot([
    [node("a"), [first]],
    [node("b"), []],
  ]);
  const failed = failedCycle(framework, wanted, nodes);
  if (!failed) return "scheduled";
  return { message: failed.decision.message, victims: victimsOf(preemptionAfter(failed)) };
}

test("a pod that shares a claim of mode ReadWriteOncePod is unschedulable", () => {
  const second = decide(using("second", "ReadWriteOncePod"), using("first", "ReadWriteOncePod"));
  const message =
    "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the " +
    "same name and ReadWriteOncePod access mode.";
  expect(second).toEqual({ message, victims: undefined });
});

test("a pod of higher priority preempts the pod that uses the claim", () => {
  const second = using("second", "ReadWriteOncePod", 10);
  expect(decide(second, using("first", "ReadWriteOncePod"))).toMatchObject({ victims: ["first"] });
});

test("other access modes are shared, and claims are identified by namespace and name", () => {
  const second = using("second", "ReadWriteOnce");
  expect(decide(second, using("first", "ReadWriteOnce"))).toBe("scheduled");
  const elsewhere = using("first", "ReadWriteOncePod");
  elsewhere.metadata.namespace = "other";
  expect(decide(using("second", "ReadWriteOncePod"), elsewhere)).toBe("scheduled");
});
