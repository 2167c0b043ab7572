import { expect, test } from "vitest";
import type { NodeUsage } from "../node/node-usage.ts";
import { resourceMetrics } from "./resource-metrics.ts";
import type { ContainerUsage } from "./stats.ts";

const NODE: NodeUsage = {
  cpu_ns: 2e9,
  memory: {
    available_bytes: 1,
    usage_bytes: 2,
    workingSet_bytes: 3,
    rss_bytes: 4,
    pageFaults: 5,
    majorPageFaults: 6,
  },
  swap: { available_bytes: 7, usage_bytes: 8 },
  network: { defaultName: undefined, interfaces: [] },
  fs: { capacity_bytes: 9, available_bytes: 1, inodes: 1, inodesFree: 1 },
  processes: { most: 1, running: 1 },
};
const POD = { metadata: { name: "web", namespace: "shop", uid: "u" }, spec: { containers: [] } };

function linesOf(container: Partial<ContainerUsage>): string[] {
  const usage: ContainerUsage = {
    name: "main",
    started_ms: undefined,
    cpu: undefined,
    memory: undefined,
    swap: undefined,
    writableLayer: undefined,
    ...container,
  };
  const pods = [{ pod: POD, started_ms: 0, containers: [usage], whole: undefined }];
  return resourceMetrics(NODE, pods, 1_000).split("\n").filter((line) => !line.startsWith("#"));
}

test("a container that was not measured has no samples", () => {
  expect(linesOf({})).toEqual([
    "node_cpu_usage_seconds_total 2 1000",
    "node_memory_working_set_bytes 3 1000",
    "node_swap_usage_bytes 8 1000",
    "resource_scrape_error 0",
    "",
  ]);
});

test("what was measured is there with its time", () => {
  const lines = linesOf({
    started_ms: 500,
    cpu: { time_ms: 900, total_ns: 3e9, nanoCores: undefined },
    swap: { time_ms: 900, usage_bytes: 11, available_bytes: undefined },
  });
  const of = `{container="main",namespace="shop",pod="web"}`;
  expect(lines).toContain(`container_cpu_usage_seconds_total${of} 3 900`);
  expect(lines).toContain(`container_swap_usage_bytes${of} 11 900`);
  expect(lines).toContain(`container_start_time_seconds${of} 0.5`);
  expect(lines.join()).not.toContain("container_memory_working_set_bytes");
});
