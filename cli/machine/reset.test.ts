import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { testFolder } from "../../testing/folders.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { NODE_AGENT } from "./layout.ts";
import { etcdDataDir, ownStore, ownTables, removeFolder, requireOwnMachine } from "./reset.ts";
import { staticPod } from "./static-pods.ts";

test("tables of clusters beside the machine stay", () => {
  const listed =
    "table ip r2k-default\ntable inet r2k-cni-portmap\ntable ip r2k-overlay-2\n" +
    "table netdev r2k-cni-spoof";
  expect(ownTables(listed)).toEqual([
    ["inet", "r2k-cni-portmap"],
    ["netdev", "r2k-cni-spoof"],
  ]);
});

test("a machine whose kubelet has another runtime is not reset", () => {
  const flags = (socket: string) =>
    `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://${socket} --node-ip=10.0.0.1"\n`;
  const other = flags("/run/containerd/containerd.sock");
  expect(() => requireOwnMachine(other)).toThrow(/does not name/);
  expect(() => requireOwnMachine('KUBELET_KUBEADM_ARGS=""\n')).toThrow(/does not name/);
  expect(() => requireOwnMachine(flags(NODE_AGENT.criSocket))).not.toThrow();
  expect(() => requireOwnMachine(undefined)).not.toThrow();
});

test("a folder that is a disk of its own is emptied, and stays", async () => {
  const dir = testFolder("r2k-reset-");
  const [disk, plain] = [join(dir, "etcd"), join(dir, "pods")];
  for (const path of [disk, plain]) mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", disk]);
  try {
    for (const path of [disk, plain]) {
      mkdirSync(join(path, "member"));
      writeFileSync(join(path, "member/wal"), "");
      await removeFolder(path);
    }
    expect(readdirSync(disk)).toEqual([]);
    expect(existsSync(plain)).toBe(false);
    await removeFolder(plain);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("the data of an etcd beside the machine's stays", () => {
  const dir = testFolder("r2k-reset-");
  const notes: string[] = [];
  const removed = () => ownStore(dir, (line) => notes.push(line));
  expect(removed()).toEqual([join(dir, "member")]);
  mkdirSync(join(dir, "member/snap"), { recursive: true });
  writeFileSync(join(dir, "member/snap/db"), "");
  expect(removed()).toEqual([]);
  expect(notes.join("")).toContain(`${dir} is etcd's data directory`);
});

test("the store's data is found where etcd.local.dataDir has put it", async () => {
  const dir = testFolder("r2k-reset-");
  const manifest = join(dir, "etcd.yaml");
  const notes: string[] = [];
  const found = () => etcdDataDir((line) => notes.push(line), manifest);
  expect(await found()).toBe("/var/lib/etcd");
  const text =
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" +
    "etcd: { local: { dataDir: /data/etcd } }\n";
  const { cluster } = parseKubeadmConfig(text, "config");
  const values = { cluster, nodeName: "a", address: "10.0.0.1", bindPort: 6443, signs: true };
  writeFileSync(manifest, stringify(await staticPod("etcd", values)));
  expect(await found()).toBe("/data/etcd");
  writeFileSync(manifest, stringify(staticPod("control-plane", values)));
  expect(await found()).toBe("/data/etcd");
  expect(notes).toEqual([]);
  writeFileSync(manifest, "spec: [");
  expect(await found()).toBe("/var/lib/etcd");
  expect(notes.join("")).toContain(manifest);
});
