import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { clusterRoots, planCluster, writeCluster } from "../spec/config.ts";
import { clusterOf } from "./cluster-of.ts";
import { command as downCommand } from "./down.ts";
import { describeList, listClusterStates } from "./list.ts";

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-list-");
  vi.stubEnv("R2K_DATA", join(dir, "data"));
  vi.stubEnv("R2K_RUN", join(dir, "run"));
});
afterEach(() => vi.unstubAllEnvs());

/** A cluster of which these processes run: they are this test's own. */
async function cluster(name: string, ...running: string[]): Promise<void> {
  const config = await planCluster(name, clusterRoots(process.env), {}, []);
  await writeCluster(config);
  mkdirSync(config.runDir, { recursive: true });
  for (const each of running) {
    const pid = `${process.pid} ${startTimeOf(process.pid)}\n`;
    writeFileSync(join(config.runDir, `${each}.pid`), pid);
  }
}

test("a list has each cluster with its state, also one whose file is broken", async () => {
  await cluster("whole", "control", "node");
  await cluster("half", "control");
  await cluster("stopped");
  mkdirSync(join(dir, "data/hurt"));
  writeFileSync(join(dir, "data/hurt/cluster.json"), "{");
  mkdirSync(join(dir, "data/other"));
  // Another program's, a start that has not written its configuration, what was made by hand.
  mkdirSync(join(dir, "data/foreign/runtime"), { recursive: true });
  mkdirSync(join(dir, "run/foreign/hand"), { recursive: true });
  mkdirSync(join(dir, "data/starting"));
  using _starting = tryLock(join(dir, "data/starting/nodes.lock"));
  mkdirSync(join(dir, "data/hand/hand/networks"), { recursive: true });
  const listed = await listClusterStates();
  expect(listed.map(({ name, state, nodes }) => [name, state, nodes])).toEqual([
    ["half", "partly", 1],
    ["hurt", "unusable", undefined],
    ["stopped", "stopped", 1],
    ["whole", "running", 1],
    ["hand", "leftover", undefined],
  ]);
  const lines = describeList(listed).split("\n");
  expect(lines[0]).toMatch(/^NAME +STATE +NODES +SERVER$/);
  expect(lines[2]).toMatch(/^hurt +unusable +- +.*hurt\/cluster\.json is not JSON/);
  expect(lines[4]).toMatch(/^whole +running +1 +https:\/\/127\.0\.0\.1:6443$/);
});

test("a cluster that does not exist is an error that lists those that do", async () => {
  const none = `there is no cluster "default" here: ${join(dir, "data")} has none`;
  await expect(clusterOf("default")).rejects.toMatchObject({ message: none });
  await cluster("one");
  await cluster("two");
  const message = `there is no cluster "three" here: ${join(dir, "data")} has one, two`;
  await expect(clusterOf("three")).rejects.toMatchObject({ message, exitCode: 1 });
  const down = downCommand().parseAsync(["--purge", "--name", "three"], { from: "user" });
  await expect(down).rejects.toMatchObject({
    message,
    exitCode: 1,
    remedy: "name one of those: r2k down --name NAME",
  });
});
