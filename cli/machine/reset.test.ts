import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NODE_AGENT } from "./layout.ts";
import { ownTables, removeFolder, requireOwnMachine } from "./reset.ts";

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
  const dir = mkdtempSync(join(tmpdir(), "r2k-reset-"));
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
    rmSync(dir, { recursive: true });
  }
});
