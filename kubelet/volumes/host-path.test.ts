import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FilesBudget } from "./files.ts";
import { ensurePath, hostPathPlugin } from "./host-path.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "r2k-host-path-"));
});
afterEach(() => rm(dir, { recursive: true }));

test("each hostPath type takes its own kind of file, and no other", async () => {
  const file = path.join(dir, "file");
  const pipe = path.join(dir, "socket");
  await writeFile(file, "");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(pipe, resolve));
  const kinds: Record<string, string> = {
    Directory: dir, File: file, Socket: pipe, CharDevice: "/dev/null",
  };
  for (const [type, right] of Object.entries(kinds)) {
    await ensurePath(right, type);
    for (const wrong of Object.values(kinds)) {
      if (wrong === right) continue;
      await expect(ensurePath(wrong, type)).rejects.toMatchObject({ code: "InvalidPath" });
    }
    const absent = ensurePath(path.join(dir, "absent"), type);
    await expect(absent).rejects.toMatchObject({ code: "InvalidPath" });
  }
  await ensurePath(path.join(dir, "absent"), "");
  await expect(ensurePath("/dev/null", "BlockDevice")).rejects.toThrow("is not a block device");
  await expect(ensurePath(dir, "Pipe")).rejects.toThrow("unknown hostPath type Pipe");
  await new Promise((resolve) => server.close(resolve));
});

test("the types that create make what is missing, through links too", async () => {
  const made = path.join(dir, "a/b");
  await ensurePath(made, "DirectoryOrCreate");
  expect((await stat(made)).isDirectory()).toBe(true);
  await ensurePath(path.join(made, "f"), "FileOrCreate");
  await symlink(made, path.join(dir, "link"));
  await ensurePath(path.join(dir, "link/f"), "File");
  const orphan = ensurePath(path.join(dir, "no/f"), "FileOrCreate");
  await expect(orphan).rejects.toThrow("does not exist");
});

const local = (at: string, volumeMode: "Block" | "Filesystem", readOnly = false) => {
  const pv: PersistentVolume = { metadata: {}, spec: { local: { path: at }, volumeMode } };
  const volume = { name: "v", persistentVolumeClaim: { claimName: "c", readOnly } };
  return {
    pod: { metadata: { name: "p", uid: "u" }, spec: { containers: [] } },
    spec: { name: "v", volume, claim: { pv, pvc: { metadata: {}, spec: {} } } },
    dir, fsGroup: undefined, readOnly: false, budget: new FilesBudget(),
  };
};

test("a local volume is a directory, or a block device where its mode says so", async () => {
  const { setUp } = hostPathPlugin();
  const directory = await setUp(local(dir, "Filesystem"));
  expect(directory).toMatchObject({ kind: "filesystem", hostPath: dir });
  await expect(setUp(local(dir, "Block"))).rejects.toThrow("is not a block device");
  const device = blockDevice();
  const block = await setUp(local(device, "Block"));
  expect(block).toEqual({ kind: "block", devicePath: device, readOnly: false });
  await expect(setUp(local(device, "Filesystem"))).rejects.toThrow("is not a directory");
});

test("a local volume is read-only where its claim in the pod says so", async () => {
  const { setUp } = hostPathPlugin();
  for (const [at, mode] of [[blockDevice(), "Block"], [dir, "Filesystem"]] as const) {
    expect(await setUp(local(at, mode, true))).toMatchObject({ readOnly: true });
  }
});

function blockDevice(): string {
  const found = execFileSync("find", ["/dev", "-maxdepth", "1", "-type", "b"]).toString();
  const [device] = found.split("\n");
  expect(device).toMatch(/^\/dev\//);
  return device!;
}
