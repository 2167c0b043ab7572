import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { planJoiningNode } from "../spec/nodes.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { canChangeMode, refuseModeInPart } from "./change-mode.ts";

let dir: string;
let cluster: ClusterConfig;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "r2k-mode-"));
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  cluster = { ...(await planCluster("one", roots, {}, [])), proxyMode: "iptables" };
});

afterEach(() => rmSync(dir, { recursive: true }));

/** Pretends that this process is one of a cluster's. */
function runs({ runDir }: ClusterConfig, name: string): void {
  mkdirSync(runDir, { recursive: true });
  writeFileSync(join(runDir, `${name}.pid`), `${process.pid} ${startTimeOf(process.pid)}`);
}

test("the mode of a cluster whose first node has no process can change", () => {
  expect(canChangeMode(cluster)).toBe(false);
  runs(cluster, "node");
  expect(canChangeMode(cluster)).toBe(false);
  rmSync(cluster.runDir, { recursive: true });
  runs(cluster, "control");
  expect(canChangeMode(cluster)).toBe(true);
  const ofThree = { ...cluster, storeMembers: 3 };
  expect(canChangeMode(ofThree)).toBe(false);
  for (const member of [1, 2, 3]) runs(cluster, `store-${member}`);
  expect(canChangeMode(ofThree)).toBe(true);
});

test("a start in another mode is refused where a node runs without its control plane", () => {
  const joining = planJoiningNode(cluster, "node-2", []);
  refuseModeInPart(cluster);
  // It is found by its folder: its configuration may be lost.
  runs(joining, "node");
  const refused = () => refuseModeInPart(cluster);
  expect(refused).toThrow(expect.objectContaining({
    code: "RUNNING", remedy: "r2k start --name one, then again with --proxy-mode iptables",
  }) as Error);
});
