import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { admitResize } from "./admit-resize.ts";

const NODE = { cpu: "2", memory: "1Gi", pods: "10" };

function podOf(uid: string, cpu: string, memory: string): Pod {
  const containers = [{ name: "c", resources: { requests: { cpu, memory } } }];
  return { metadata: { name: uid, uid }, spec: { containers } };
}

const others = [podOf("a", "500m", "512Mi"), podOf("self", "100m", "1Mi")];

test.each([
  ["1500m", "512Mi", { kind: "fits" }],
  [
    "1600m",
    "512Mi",
    {
      kind: "Deferred",
      message: "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
    },
  ],
  [
    "100m",
    "513Mi",
    {
      kind: "Deferred",
      message:
        "Node didn't have enough resource: memory, " +
        "requested: 537919488, used: 536870912, capacity: 1073741824",
    },
  ],
  [
    "3",
    "1Mi",
    {
      kind: "Infeasible",
      message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
    },
  ],
  [
    "3",
    "2Gi",
    {
      kind: "Infeasible",
      message:
        "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824",
    },
  ],
])("a resize to %s cpu and %s memory beside another pod", (cpu, memory, verdict) => {
  expect(admitResize(podOf("self", cpu, memory), others, NODE)).toEqual(verdict);
});
