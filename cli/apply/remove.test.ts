import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import {
  attachLoopDevice,
  detachLoopDevice,
  loopDevicesOf,
} from "@raft2kube/linux/mount/loop-device.ts";
import { bindMount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type ClusterPlace, configPath } from "../spec/config.ts";
import { hasHandAtWork } from "../spec/leftovers.ts";
import { joiningNodePlace } from "../spec/nodes.ts";
import { nfsExport, nodesLock } from "../spec/paths.ts";
import type { Context } from "./context.ts";
import { applyPurge, purgeData, removeAllNodes, removeMounts } from "./remove.ts";

test("a node that serves NFS ends after the containers and mounts of all others", async () => {
  const dir = testFolder("r2k-remove-");
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
    "end node nodes/other",
    "end host",
    "end node",
    "end control",
    "remove nodes/other  keep nodes/nfs",
    "end node nodes/nfs",
    "remove nodes/nfs keep",
  ]);
});

test("what is made by hand is at work while a container is there or a build runs", () => {
  const dir = testFolder("r2k-remove-");
  const cluster = { name: "one", dataDir: join(dir, "data"), runDir: join(dir, "run") };
  const builds = join(cluster.dataDir, "runtime/images/builds");
  mkdirSync(builds, { recursive: true });
  writeFileSync(join(builds, "killed.lock"), "");
  expect(hasHandAtWork(cluster)).toBe(false);
  {
    using _build = tryLock(join(builds, "running.lock"));
    expect(hasHandAtWork(cluster)).toBe(true);
  }
  expect(hasHandAtWork(cluster)).toBe(false);
  mkdirSync(join(cluster.dataDir, "hand/containers/c"), { recursive: true });
  expect(hasHandAtWork(cluster)).toBe(true);
});

test.each([
  { keepsHand: false, left: [] },
  { keepsHand: true, left: ["hand", "nodes.lock"] },
])("no command gets the lock of a cluster whose data is being removed: %o", async (of) => {
  const { keepsHand, left } = of;
  const dir = testFolder("r2k-remove-");
  const cluster = { name: "one", dataDir: join(dir, "data/one"), runDir: join(dir, "run") };
  for (const folder of ["certificates", "store"]) {
    for (let part = 0; part < 100; part++) {
      mkdirSync(join(cluster.dataDir, folder, `${part}`), { recursive: true });
    }
  }
  mkdirSync(join(cluster.dataDir, "hand"));
  writeFileSync(configPath(cluster.dataDir), "{}");
  using _lock = tryLock(nodesLock(cluster));
  let isPurged = false;
  const step = (_title: string, work: () => Promise<void>) => work();
  const purge = { kind: "purge", cluster, keepsHand } as const;
  const context = { step, progress: { note: () => undefined } } as Partial<Context> as Context;
  const purging = applyPurge(purge, context).finally(() => (isPurged = true));
  while (!isPurged) {
    try {
      expect(tryLock(nodesLock(cluster))).toBeUndefined();
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown; // the folder has gone with it
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await purging;
  const found = existsSync(cluster.dataDir) ? readdirSync(cluster.dataDir) : [];
  expect(found.toSorted()).toEqual(left);
});

test("data is removed whose folders are nested deeper than a path can be", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-remove-"));
  try {
    const cluster = { name: "one", dataDir: join(dir, "data/one"), runDir: join(dir, "run") };
    const volume = join(cluster.dataDir, "kubelet/pods/uid/volumes/kubernetes.io~empty-dir/v");
    mkdirSync(volume, { recursive: true });
    const PATH_MAX = 4_096;
    let deepest = Directory.open(volume);
    for (let depth = 0; depth < PATH_MAX / "/d".length; depth++) {
      using above = deepest;
      above.makeDirectory("d", 0o755);
      deepest = above.directory("d");
    }
    deepest[Symbol.dispose]();
    writeFileSync(configPath(cluster.dataDir), "{}");
    await purgeData(cluster);
    expect(existsSync(join(dir, "data"))).toBe(false);
  } finally {
    await removePath(dir);
  }
});

const canAttach = process.getuid?.() === 0 && existsSync("/dev/loop-control");

test.runIf(canAttach)("a block volume's device with another file is detached, no other is", () => {
  const dir = testFolder("r2k-remove-");
  const node = { name: "one", dataDir: join(dir, "data"), runDir: join(dir, "run") };
  const pod = join(node.dataDir, "kubelet/pods/uid");
  const folders = {
    published: join(pod, "volumes/kubernetes.io~csi/v"),
    hostPath: join(pod, "volume-subpaths/v/c"),
  };
  const fileOf = (name: string) => join(dir, name);
  try {
    for (const [name, folder] of Object.entries(folders)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(fileOf(name), Buffer.alloc(1 << 20));
      writeFileSync(join(folder, "device"), "");
      using device = attachLoopDevice(fileOf(name), { readOnly: true });
      bindMount(device.path, join(folder, "device"));
    }
    removeMounts([node]);
    expect(loopDevicesOf(fileOf("published"))).toEqual([]);
    expect(loopDevicesOf(fileOf("hostPath"))).toHaveLength(1);
  } finally {
    for (const [name, folder] of Object.entries(folders)) {
      unmount(join(folder, "device"));
      for (const device of loopDevicesOf(fileOf(name))) detachLoopDevice(device);
    }
  }
});
