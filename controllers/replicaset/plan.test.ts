import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { describe, expect, test } from "vitest";
import { statusChanged } from "../status-change.ts";
import { NOW_MS, podOf as pod, setOf } from "../testing/objects.ts";
import { planReplicas, planStatus } from "./plan.ts";
import { podsToDelete } from "./ranking.ts";

function replicaSet(replicas: number, minReadySeconds = 0): ReplicaSet {
  const { metadata, spec } = setOf("web", replicas);
  return { metadata: { ...metadata, generation: 3 }, spec: { ...spec, minReadySeconds } };
}

describe("planReplicas", () => {
  test.each([
    ["enough", 2, [pod("a"), pod("b")], { create: 0, delete: 0 }],
    ["too few", 3, [pod("a")], { create: 2, delete: 0 }],
    ["ended pods do not count", 1, [pod("a", { phase: "Succeeded" })], { create: 1, delete: 0 }],
    ["pods being deleted do not", 1, [pod("a", { deleting: true })], { create: 1, delete: 0 }],
    ["too many", 1, [pod("a"), pod("b"), pod("c")], { create: 0, delete: 2 }],
    ["to zero", 0, [pod("a")], { create: 0, delete: 1 }],
    ["no more than a burst at once", 2_000, [], { create: 100, delete: 0 }],
  ])("%s", (_name, replicas, pods, expected) => {
    const plan = planReplicas(replicaSet(replicas), pods, pods, NOW_MS);
    expect({ create: plan.create, delete: plan.delete.length }).toEqual(expected);
  });
});

describe("podsToDelete ranks", () => {
  const ready = { node: "n1", readyFor_s: 1000 };
  test.each([
    ["without a node first", pod("x"), pod("y", { node: "n1" })],
    ["pending first", pod("x", { node: "n1", phase: "Pending" }), pod("y", { node: "n1" })],
    ["not ready before ready", pod("x", { node: "n1" }), pod("y", ready)],
    ["cheaper first", pod("x", { ...ready, cost: "-5" }), pod("y", ready)],
    ["ready for a shorter time first", pod("x", { ...ready, readyFor_s: 10 }), pod("y", ready)],
    ["more restarts first", pod("x", { ...ready, restarts: 3 }), pod("y", ready)],
    ["younger first", pod("x", { node: "n1", age_s: 5 }), pod("y", { node: "n1" })],
  ])("%s", (_name, first, second) => {
    const both = [first, second];
    expect(podsToDelete(both, both, 1, NOW_MS)).toEqual([first]);
    expect(podsToDelete([second, first], both, 1, NOW_MS)).toEqual([first]);
  });

  test("doubled up on a node first, counting pods of sibling sets", () => {
    const lonely = pod("a", { ...ready, node: "n2" });
    const crowded = pod("b", { ...ready, node: "n1" });
    const sibling = pod("s", { ...ready, node: "n1" });
    const doomed = podsToDelete([lonely, crowded], [lonely, crowded, sibling], 1, NOW_MS);
    expect(doomed).toEqual([crowded]);
  });

  test("ages of the same power of two are left to the uid", () => {
    const a = pod("a", { ...ready, readyFor_s: 1000 });
    const b = pod("b", { ...ready, readyFor_s: 1001 });
    expect(podsToDelete([b, a], [a, b], 1, NOW_MS)).toEqual([a]);
  });
});

describe("planStatus", () => {
  test("counts, and returns when a ready pod will be available", () => {
    const pods = [
      pod("a", { node: "n", readyFor_s: 100 }),
      pod("b", { node: "n", readyFor_s: 4 }),
      pod("c", { node: "n" }),
      pod("d", { node: "n", deleting: true }),
      pod("e", { phase: "Failed" }),
    ];
    const { status, again_ms } = planStatus(replicaSet(3, 10), pods, undefined, NOW_MS);
    expect(status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 0,
      readyReplicas: 2,
      availableReplicas: 1,
      terminatingReplicas: 1,
      observedGeneration: 3,
    });
    expect(again_ms).toBe(6_000);
  });

  test("shows a failure once and removes it when it is over", () => {
    const failure = { reason: "FailedCreate" as const, message: "quota" };
    const failed = planStatus(replicaSet(1), [], failure, NOW_MS).status;
    expect(failed.conditions).toMatchObject([{ type: "ReplicaFailure", reason: "FailedCreate" }]);
    const again = planStatus({ ...replicaSet(1), status: failed }, [], failure, NOW_MS + 5_000);
    expect(again.status.conditions).toEqual(failed.conditions);
    expect(statusChanged(failed, again.status)).toBe(false);
    const well = planStatus({ ...replicaSet(1), status: failed }, [], undefined, NOW_MS).status;
    expect(well.conditions).toBeUndefined();
    expect(statusChanged(failed, well)).toBe(true);
  });
});
