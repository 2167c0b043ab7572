import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { orphanedStatus, planPodGc, stateOfNode } from "./plan.ts";

test("a pod whose node is gone fails, as of the generation that was seen", () => {
  const pod = { metadata: { name: "p", generation: 4 }, spec: { containers: [] } };
  expect(orphanedStatus(pod, 0)).toEqual({
    phase: "Failed",
    conditions: [
      expect.objectContaining({
        type: "DisruptionTarget",
        status: "True",
        reason: "DeletionByPodGC",
        observedGeneration: 4,
      }),
    ],
  });
});

test("terminating pods of a node that is out of service are left over, others are not", () => {
  const pod = (name: string, nodeName: string, deletionTimestamp?: string): Pod => ({
    metadata: { name, ...(deletionTimestamp && { deletionTimestamp }) },
    spec: { nodeName, containers: [] },
  });
  const pods = [
    pod("ends", "off", "2026-01-01T00:00:00Z"),
    pod("runs", "off"),
    pod("elsewhere", "on", "2026-01-01T00:00:00Z"),
  ];
  const stateOf = (name: string) => (name === "off" ? "out-of-service" : "present");
  expect(planPodGc(pods, stateOf, 9)).toEqual([{ pod: pods[0], why: "out-of-service" }]);
});

test("pods that have ended and wait for their finalizers alone are left to these", () => {
  const deletionTimestamp = "2026-01-01T00:00:00Z";
  const ended = { phase: "Succeeded" as const };
  const pods: Pod[] = [
    {
      metadata: { name: "held", deletionTimestamp, finalizers: ["x/y"] },
      spec: { containers: [] },
    },
    { metadata: { name: "free", deletionTimestamp }, spec: { containers: [] } },
    {
      metadata: { name: "ended", deletionTimestamp, finalizers: ["x/y"] },
      spec: { nodeName: "n", containers: [] },
      status: ended,
    },
  ];
  const planned = planPodGc(pods, () => "present", 0);
  expect(planned.map(({ pod }) => pod.metadata.name)).toEqual(["held", "free"]);
});

test.each([
  ["out-of-service", "False", true],
  ["out-of-service", "Unknown", true],
  ["out-of-service", "True", false],
  ["unreachable", "False", false],
])("a node with the taint %s that is Ready: %s", (taint, status, expected) => {
  const node: Node = {
    metadata: { name: "n" },
    spec: { taints: [{ key: `node.kubernetes.io/${taint}`, effect: "NoExecute" }] },
    status: { conditions: [{ type: "Ready", status }] },
  };
  expect(stateOfNode(node)).toBe(expected ? "out-of-service" : "present");
});

test("of ended pods above the threshold, evicted ones go first, then the oldest", () => {
  const pod = (name: string, day: number, reason?: string): Pod => ({
    metadata: { name, creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { containers: [] },
    status: { phase: "Failed", ...(reason && { reason }) },
  });
  const pods = [pod("old", 1), pod("evicted", 3, "Evicted"), pod("older", 1), pod("new", 2)];
  const planned = planPodGc(pods, () => "present", 1);
  expect(planned.map(({ pod: { metadata } }) => metadata.name)).toEqual([
    "evicted",
    "old",
    "older",
  ]);
});

test("pods that a node made go before those of tenants", () => {
  const ended = (name: string, day: number): Pod => ({
    metadata: { name, creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { nodeName: "n", containers: [] },
    status: { phase: "Failed" },
  });
  const made = (name: string): Pod => {
    const owner = { apiVersion: "v1", kind: "Node", name: "n", uid: "u", controller: true };
    const annotations = { "kubernetes.io/config.mirror": "x" };
    const pod = ended(name, 2);
    return { ...pod, metadata: { ...pod.metadata, annotations, ownerReferences: [owner] } };
  };
  const planned = planPodGc([ended("job", 1), made("a-n"), made("b-n")], () => "present", 1);
  expect(planned.map(({ pod: { metadata } }) => metadata.name)).toEqual(["a-n", "b-n"]);
});
