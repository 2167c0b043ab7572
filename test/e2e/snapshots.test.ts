import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { TestCluster } from "./cluster.ts";
import { hasSnapshotter, SNAPSHOTTER, SnapshotTrial, snapshotRules } from "./snapshot-rules.ts";

let cluster: TestCluster;
let trial: SnapshotTrial;

describe.runIf(hasSnapshotter())("external-snapshotter beside our driver", () => {
  beforeAll(async () => {
    cluster = await TestCluster.start("snapshot", ["--no-demo"]);
    const { dir } = cluster.host;
    trial = await SnapshotTrial.start(cluster, {
      driver: "hostpath.csi.r2k.dev",
      storageClass: "standard",
      nodeSelector: {},
      timeout_ms: 60_000,
      stored: () => readdir(join(dir, "data", cluster.name, "csi/snapshots")),
    });
    const socket = join(dir, "run", cluster.name, "sock/csi-hostpath.sock");
    trial.startProgram(SNAPSHOTTER, `--csi-address=${socket}`);
  });
  afterAll(() => cluster?.close());

  snapshotRules(() => trial);
});
