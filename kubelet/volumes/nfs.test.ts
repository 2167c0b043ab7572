import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FilesBudget } from "./files.ts";
import { nfsPlugin } from "./nfs.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "r2k-nfs-"));
});
afterEach(() => rm(dir, { recursive: true }));

const volume = { name: "v", nfs: { server: "127.0.0.1", path: "/exports" } };
const spec = { name: "v", volume };
const request = () => ({
  pod: { metadata: { name: "p", uid: "u" }, spec: { containers: [] } },
  spec, dir: path.join(dir, "v"), fsGroup: undefined, readOnly: false, budget: new FilesBudget(),
});

test("an nfs volume is refused by name where the kernel has no NFS client", async () => {
  const filesystems = path.join(dir, "filesystems");
  await writeFile(filesystems, "nodev\ttmpfs\n\text4\n");
  const plugin = nfsPlugin(filesystems);
  expect(plugin.supports(spec)).toBe(true);
  await expect(plugin.setUp(request())).rejects.toMatchObject({
    code: "NotSupported", message: "this node's kernel has no NFS client",
  });
});

test("a server that does not answer is an error of the mount, and nothing is left", async () => {
  const filesystems = path.join(dir, "filesystems");
  await writeFile(filesystems, "nodev\tnfs4\n");
  const plugin = nfsPlugin(filesystems);
  await expect(plugin.setUp(request())).rejects.toMatchObject({ code: "MountFailed" });
  const inside = undefined;
  await plugin.tearDown({ podUid: "u", volumeName: "v", dir: path.join(dir, "v"), inside });
  expect(await readdir(dir)).toEqual(["filesystems"]);
});
