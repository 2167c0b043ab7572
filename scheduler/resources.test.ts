import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { expect, test } from "vitest";
import { SchedulerCache } from "./cache.ts";
import { podRequests } from "./resources.ts";
import { pod } from "./testing/objects.ts";

function resized(
  desired: string,
  allocated: string,
  actual: string,
  conditions: object[] = [],
): Pod {
  const status = {
    conditions,
    containerStatuses: [
      {
        name: "c",
        allocatedResources: { cpu: allocated },
        resources: { requests: { cpu: actual } },
      },
    ],
  };
  return { ...pod("p", { requests: { cpu: desired } }), status } as unknown as Pod;
}

const infeasible = [{ type: "PodResizePending", status: "True", reason: "Infeasible" }];

test.each<[string, Pod, number]>([
  ["the desired amount of one that grows", resized("3", "1", "1"), 3000],
  ["the actual amount of one that shrinks", resized("1", "1", "2"), 2000],
  ["the allocated amount while a smaller one is pending", resized("1", "2", "1"), 2000],
  ["not the amount that the node refuses", resized("9", "2", "1", infeasible), 2000],
])("the requests during a resize are %s", (_, resizing, cpu) => {
  expect(podRequests(resizing).get("cpu")).toBe(cpu);
});

function resizedPod(
  desired: string,
  allocated: string,
  actual: string,
  conditions: object[] = [],
): Pod {
  const [container] = pod("p", { requests: { cpu: "100m", memory: "1Ki" } }).spec.containers;
  const resources = { requests: { cpu: actual, memory: "9Ki" } };
  return {
    metadata: { name: "p" },
    spec: {
      containers: [container],
      resources: { requests: { cpu: desired } },
      overhead: { cpu: "1" },
    },
    status: { conditions, resources, allocatedResources: { cpu: allocated, memory: "9Ki" } },
  } as unknown as Pod;
}

test.each<[string, Pod, number]>([
  ["the desired amount of one that grows", resizedPod("3", "1", "1"), 4000],
  ["the actual amount of one that shrinks", resizedPod("1", "1", "2"), 3000],
  ["not the amount that the node refuses", resizedPod("9", "2", "1", infeasible), 3000],
])("the requests of a pod that has its own are %s, and its overhead", (_, resizing, cpu) => {
  expect(podRequests(resizing).get("cpu")).toBe(cpu);
  expect(podRequests(resizing).get("memory")).toBe(1024);
});

test("a pod that requests less frees its node's resources", () => {
  const cache = new SchedulerCache({ get: () => undefined } as unknown as ReadStore<never>);
  const onNode = (cpu: string) => {
    const shown = resized(cpu, cpu, cpu);
    return { ...shown, spec: { ...shown.spec, nodeName: "n" } };
  };
  expect(
    [onNode("2"), onNode("2"), onNode("1"), onNode("3")].map((each) => cache.setPod(each)),
  ).toEqual([false, false, true, false]);
});
