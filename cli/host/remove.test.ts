import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import type { ClusterPlace } from "../cluster/config.ts";
import { joiningNodePlace } from "../cluster/joining-nodes.ts";
import { nfsExport } from "../cluster/paths.ts";
import { removeAllNodes } from "./remove.ts";

test("a node that serves NFS ends after the containers and mounts of all others", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-remove-"));
  try {
    const cluster = { name: "one", dataDir: join(dir, "data"), runDir: join(dir, "run") };
    const [nfs, other] = ["nfs", "other"].map((name) => joiningNodePlace(cluster, name));
    for (const { dataDir } of [nfs!, other!]) mkdirSync(dataDir, { recursive: true });
    writeFileSync(nfsExport(nfs!), "");
    const named = (place: ClusterPlace) => place.dataDir.slice(cluster.dataDir.length + 1);
    const done: string[] = [];
    await removeAllNodes(cluster, systemClock(), {
      endProcess: async (place, name) => void done.push(`end ${name} ${named(place)}`.trim()),
      removeNodes: async (nodes, _clock, kept = []) => {
        done.push(["remove", ...nodes.map(named), "keep", ...kept.map(named)].join(" "));
      },
    });
    expect(done.filter((line) => !line.startsWith("end store-"))).toEqual([
      "end node nodes/other", "end node", "end control",
      "remove nodes/other  keep nodes/nfs",
      "end node nodes/nfs", "remove nodes/nfs keep",
    ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
