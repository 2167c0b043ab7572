import { expect, test } from "vitest";
import type { NodeUsage } from "../node/node-usage.ts";
import { cadvisorMetrics } from "./cadvisor-metrics.ts";
import { resourceMetrics } from "./resource-metrics.ts";
import type { ContainerUsage, PodUsage } from "./stats.ts";

const samplesOf = async (page: Promise<{ body: string }>) =>
  (await page).body.split("\n").filter((line) => !line.startsWith("#"));
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
  pressure: {},
};
const ofRuntime = (name: string, value: number, labelValues: string[]) => ({
  ...{ name, labelValues, value: { value } },
  ...{ timestamp: 950_000_000n, metricType: 0 },
});
const stalls = (total_us: number) => ({ avg10: 1, avg60: 0, avg300: 0, total_us });
const POD = { metadata: { name: "web", namespace: "shop", uid: "u" }, spec: { containers: [] } };

function podsOf(container: Partial<ContainerUsage>): PodUsage[] {
  const usage: ContainerUsage = {
    name: "main",
    id: "c1",
    image: "web:1",
    started_ms: undefined,
    cpu: undefined,
    memory: undefined,
    pressure: {},
    swap: undefined,
    writableLayer: undefined,
    ...container,
  };
  return [{ pod: POD, started_ms: 0, containers: [usage], whole: undefined }];
}

function linesOf(container: Partial<ContainerUsage>): Promise<string[]> {
  return samplesOf(resourceMetrics(NODE, podsOf(container), 1_000));
}

test("a container that was not measured has no samples", async () => {
  expect(await linesOf({})).toEqual([
    "node_cpu_usage_seconds_total 2 1000",
    "node_memory_working_set_bytes 3 1000",
    "node_swap_usage_bytes 8 1000",
    "resource_scrape_error 0",
    "",
  ]);
});

test("what was measured is there with its time", async () => {
  const lines = await linesOf({
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

test("cAdvisor's metrics leave out what was not measured, a limit that is not set too", async () => {
  const pods = podsOf({
    cpu: { time_ms: 900, total_ns: 3e9, nanoCores: undefined },
    pressure: { io: { some: stalls(3_000_000), full: stalls(500_000) } },
    writableLayer: {
      timestamp: 900_000_000n,
      fsId: { mountpoint: "/layers" },
      usedBytes: { value: 12 },
    },
  });
  const networks = new Map([
    [
      "u",
      { timestamp: 0n, defaultInterface: { name: "eth0", rxBytes: { value: 13 } }, interfaces: [] },
    ],
  ]);
  const space = { capacity_bytes: 14, available_bytes: 1, inodes: 15, inodesFree: 1 };
  const lines = await samplesOf(
    cadvisorMetrics({
      node: NODE,
      cores: 2,
      pods,
      cgroups: { pathOf: () => "/pods/u", counters: () => undefined, oomKills: () => 1 },
      runtime: {
        descriptors: [
          { name: "container_cpu_user_seconds_total", help: "", labelKeys: ["id"] },
          { name: "container_cpu_usage_seconds_total", help: "", labelKeys: ["id", "cpu"] },
          { name: "container_sockets", help: "Sockets", labelKeys: ["id", "kind"] },
        ],
        samples: new Map([
          [
            "c1",
            [
              ofRuntime("container_cpu_user_seconds_total", 2, ["other"]),
              ofRuntime("container_cpu_usage_seconds_total", 99, ["other", "total"]),
              ofRuntime("container_sockets", 4, ["other", "tcp"]),
              ofRuntime("container_undescribed", 5, ["other"]),
            ],
          ],
        ]),
      },
      networks,
      spaces: new Map([["/layers", space]]),
      now_ms: 1_000,
    }),
  );
  const of = 'namespace="shop",pod="web"';
  const container = `container="main",id="/pods/u/c1",image="web:1",name="c1",${of}`;
  const pod = `container="",id="/pods/u",image="",name="",${of}`;
  expect(lines).toEqual(
    expect.arrayContaining([
      `container_cpu_usage_seconds_total{${container},cpu="total"} 3 900`,
      `container_pressure_io_stalled_seconds_total{${container}} 0.5 1000`,
      `container_pressure_io_waiting_seconds_total{${container}} 3 1000`,
      `container_cpu_user_seconds_total{${container}} 2 950`,
      `container_sockets{${container},kind="tcp"} 4 950`,
      `container_oom_events_total{${pod}} 1 1000`,
      `container_fs_usage_bytes{${container},device="/layers"} 12 900`,
      `container_fs_limit_bytes{${container},device="/layers"} 14 900`,
      `container_network_receive_bytes_total{${pod},interface="eth0"} 13 1000`,
      `container_spec_memory_limit_bytes{${container}} 0`,
      "machine_memory_bytes 4 1000",
    ]),
  );
  expect(
    lines.filter((line) =>
      /cpu_quota|transmit|receive_errors|pressure_cpu| 99 |undescribed/.test(line),
    ),
  ).toEqual([]);
  expect(lines.filter((line) => /^container_memory_rss/.test(line))).toHaveLength(1);
});
