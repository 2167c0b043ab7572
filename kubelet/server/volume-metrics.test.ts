import type { Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { expect, test } from "vitest";
import type { VolumeUsage } from "../volumes/volume-usage.ts";
import { claimsOf } from "./stats-storage.ts";
import { volumeStats } from "./stats-summary.ts";
import { addVolumeMetrics } from "./volume-metrics.ts";

const USAGE: VolumeUsage = {
  capacity_bytes: 10,
  available_bytes: 7,
  used_bytes: 3,
  inodes: 6,
  inodesFree: 4,
  inodesUsed: 2,
};

function pod(volumes: Volume[]): Pod {
  const metadata = { name: "web", namespace: "shop", uid: "u" };
  return { metadata, spec: { containers: [], volumes } };
}

const storageOf = (volumes: Record<string, VolumeUsage>) => ({
  time_ms: 0,
  ephemeral: { used_bytes: 0, inodes: 0 },
  logs: new Map(),
  volumes: new Map(Object.entries(volumes)),
});

async function textOf(pods: readonly Pod[], ...usages: Record<string, VolumeUsage>[]) {
  const registry = metricsRegistry();
  const byUid = pods.map(
    ({ metadata }, index) => [metadata.uid!, new Map(Object.entries(usages[index]!))] as const,
  );
  addVolumeMetrics(registry, pods, new Map(byUid));
  return registry.metrics();
}

async function linesOf(of: Pod, volumes: Record<string, VolumeUsage>): Promise<string[]> {
  const lines = (await textOf([of], volumes)).split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

test("the volume of a claim has its bytes, its inodes and its health", async () => {
  const data = { name: "data", persistentVolumeClaim: { claimName: "rows" } };
  const lines = await linesOf(pod([data]), { data: { ...USAGE, condition: "abnormal" } });
  const of = `{namespace="shop",persistentvolumeclaim="rows"}`;
  expect(lines).toEqual([
    `kubelet_volume_stats_capacity_bytes${of} 10`,
    `kubelet_volume_stats_available_bytes${of} 7`,
    `kubelet_volume_stats_used_bytes${of} 3`,
    `kubelet_volume_stats_inodes${of} 6`,
    `kubelet_volume_stats_inodes_free${of} 4`,
    `kubelet_volume_stats_inodes_used${of} 2`,
    `kubelet_volume_stats_health_status_abnormal${of} 1`,
  ]);
});

test("an ephemeral volume is that of the pod's own claim; what is not reported is absent", async () => {
  const own = { name: "own", ephemeral: { volumeClaimTemplate: { spec: {} } } };
  const usage = { ...USAGE, inodes: undefined, inodesFree: undefined, inodesUsed: undefined };
  const lines = await linesOf(pod([own]), { own: usage });
  expect(lines.map((line) => line.split("{")[0])).toEqual([
    "kubelet_volume_stats_capacity_bytes",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_used_bytes",
  ]);
  expect(lines.join()).toContain(`persistentvolumeclaim="web-own"`);
});

test("volumes without a claim have none", async () => {
  const disk = pod([{ name: "disk", emptyDir: {} }]);
  expect(claimsOf(disk).size).toBe(0);
  expect(await linesOf(disk, { disk: USAGE })).toEqual([]);
});

test("of two pods with one claim the first is reported, as upstream", async () => {
  const first = pod([{ name: "data", persistentVolumeClaim: { claimName: "rows" } }]);
  const second = { ...first, metadata: { ...first.metadata, uid: "v" } };
  const text = await textOf([first, second], { data: USAGE }, { data: { ...USAGE, inodes: 9 } });
  expect(text).toMatch(/^kubelet_volume_stats_inodes\{.*\} 6$/m);
  expect(text).not.toMatch(/^kubelet_volume_stats_inodes\{.*\} 9$/m);
});

test("the help of a volume's health is upstream's", async () => {
  expect(await textOf([])).toContain(
    "# HELP kubelet_volume_stats_health_status_abnormal Abnormal volume health status. " +
      "The count is either 1 or 0. 1 indicates the volume is unhealthy, " +
      "0 indicates volume is healthy\n",
  );
});

test("the summary has the health of a volume whose driver reports conditions", () => {
  const data = { name: "data", persistentVolumeClaim: { claimName: "rows" } };
  const health = (usage: VolumeUsage) =>
    volumeStats(pod([data]), storageOf({ data: usage })).map((each) => each.volumeHealthStats);
  expect(health({ ...USAGE, condition: "normal" })).toEqual([{ abnormal: false }]);
  expect(health({ ...USAGE, condition: "abnormal" })).toEqual([{ abnormal: true }]);
  expect(health(USAGE)).toEqual([undefined]);
});
