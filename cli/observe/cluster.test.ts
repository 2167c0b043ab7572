import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import {
  type ClusterConfig,
  type ClusterPlace,
  configPath,
  planCluster,
  writeCluster,
} from "../spec/config.ts";
import { planJoiningNode } from "../spec/nodes.ts";
import { hasControlPlane, isWhole, observe, runsInPart } from "./cluster.ts";
import { startTimeOf } from "./process-table.ts";

let dir: string;
let cluster: ClusterConfig;

beforeEach(async () => {
  dir = testFolder("r2k-observe-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  cluster = await planCluster("one", roots, { storeMembers: 3 }, []);
});

/** Writes the file of a cluster's process, as if this process were it. */
function runs({ runDir }: ClusterPlace, name: string, file = "pid"): void {
  mkdirSync(runDir, { recursive: true });
  writeFileSync(join(runDir, `${name}.${file}`), `${process.pid} ${startTimeOf(process.pid)}`);
}

test("a cluster is seen by its files and its processes", async () => {
  const before = await observe(cluster);
  expect(before).toEqual({
    isWritten: false,
    hasHand: false,
    running: new Set(),
    controlPlanes: new Set(),
    nodes: new Map(),
  });
  expect(runsInPart(before)).toBe(false);
  await writeCluster(cluster);
  for (const name of ["control", "store-1", "store-2"]) runs(cluster, name);
  const inPart = await observe(cluster);
  expect([...inPart.running].sort()).toEqual(["control", "store-1", "store-2"]);
  expect(inPart.isWritten).toBe(true);
  expect(runsInPart(inPart)).toBe(true);
  expect(hasControlPlane(inPart, cluster)).toBe(false);
  runs(cluster, "store-3");
  const control = await observe(cluster);
  expect([hasControlPlane(control, cluster), isWhole(control, cluster)]).toEqual([true, false]);
  runs(cluster, "node");
  expect(isWhole(await observe(cluster), cluster)).toBe(true);
});

test("a node is seen by its folder, also without a configuration that can be read", async () => {
  const [well, lost, hurt, odd] = ["well", "lost", "hurt", "odd"].map((name) => {
    return planJoiningNode(cluster, name, []);
  });
  await writeCluster(well!);
  runs(well!, "node", "supervisor");
  runs(lost!, "node");
  mkdirSync(hurt!.dataDir, { recursive: true });
  writeFileSync(configPath(hurt!.dataDir), "{");
  mkdirSync(configPath(odd!.dataDir), { recursive: true });
  const seen = await observe(cluster);
  const ended = { runs: false, isSupervised: false };
  expect(Object.fromEntries(seen.nodes)).toEqual({
    well: { config: well, runs: false, isSupervised: true },
    lost: { config: undefined, runs: true, isSupervised: false },
    hurt: { ...ended, config: expect.objectContaining({ code: "UNUSABLE_CONFIG" }) as unknown },
    odd: { ...ended, config: expect.objectContaining({ code: "EISDIR" }) as unknown },
  });
  expect(runsInPart(seen)).toBe(true);
});
