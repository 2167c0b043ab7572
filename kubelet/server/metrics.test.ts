import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { volumeDir } from "../pods/pod-paths.ts";
import { PodVolumes } from "../volumes/pod-volumes.ts";
import { kubeletMetrics } from "./metrics.ts";
import { claimUsages } from "./stats-storage.ts";

let dir: string;
beforeEach(async () => {
  dir = testFolder("r2k-metrics-");
});

const RUNNING: PodStatus = {
  containerStatuses: [
    { name: "c", image: "", imageID: "", ready: true, restartCount: 0, state: { running: {} } },
  ],
};
const ENDED: PodStatus = {
  containerStatuses: [
    { ...RUNNING.containerStatuses![0]!, state: { terminated: { exitCode: 0 } } },
  ],
};

test("a scrape measures only the claims' volumes of pods with a running container", async () => {
  const paths = { rootDir: dir, podLogsDir: dir, containerLogsDir: dir };
  const measured: string[] = [];
  const plugin = {
    name: "example~disk",
    supports: () => true,
    setUp: () => Promise.reject(new Error("not called")),
    tearDown: async () => {},
    usage: async ({ dir: at }: { dir: string }) => {
      measured.push(path.relative(dir, at));
      return {
        capacity_bytes: 5,
        available_bytes: 4,
        used_bytes: 1,
        inodes: undefined,
        inodesFree: undefined,
        inodesUsed: undefined,
      };
    },
  };
  const list: { pod: Pod; status: PodStatus | undefined }[] = [];
  for (const [name, status] of [
    ["runs", RUNNING],
    ["ended", ENDED],
    ["new", undefined],
  ] as const) {
    const claim = { name: "data", persistentVolumeClaim: { claimName: `of-${name}` } };
    const volumes = [claim, { name: "scratch", emptyDir: {} }];
    const metadata = { name, namespace: "shop", uid: name };
    list.push({ pod: { metadata, spec: { containers: [], volumes } }, status });
    for (const volume of volumes) {
      await mkdir(volumeDir(paths, name, plugin.name, volume.name), { recursive: true });
    }
  }
  const workers = { list: () => list };
  const clock = systemClock();
  const volumes = new PodVolumes({ plugins: [plugin], paths, objects: NO_OBJECTS, clock });
  const { body } = await kubeletMetrics(workers, claimUsages({ clock, workers, volumes }));
  expect(measured).toEqual([path.relative(dir, volumeDir(paths, "runs", plugin.name, "data"))]);
  expect(body.match(/^kubelet_volume_stats_used_bytes.*$/gm)).toEqual([
    `kubelet_volume_stats_used_bytes{namespace="shop",persistentvolumeclaim="of-runs"} 1`,
  ]);
});
