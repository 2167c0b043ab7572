import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { NFS_MOUNTS_AT_ONCE_MAX } from "../limits.ts";
import { FilesBudget } from "./files.ts";
import { type NfsOptions, nfsPlugin } from "./nfs.ts";
import type { VolumeSpec } from "./plugin.ts";

const run = promisify(execFile);
let dir: string;
beforeEach(async () => {
  dir = testFolder("r2k-nfs-");
});

const volume = { name: "v", nfs: { server: "127.0.0.1", path: "/exports" } };
const spec = { name: "v", volume };
const request = () => ({
  pod: { metadata: { name: "p", uid: "u" }, spec: { containers: [] } },
  spec,
  dir: path.join(dir, "v"),
  fsGroup: undefined,
  readOnly: false,
  budget: new FilesBudget(),
});

const tearDown = (options: NfsOptions = {}) => {
  const at = { podUid: "u", volumeName: "v", dir: path.join(dir, "v"), inside: undefined };
  return nfsPlugin(options).tearDown(at);
};

async function write(name: string, text: string): Promise<string> {
  const file = path.join(dir, name);
  await writeFile(file, text, { mode: 0o700 });
  return file;
}
const known = () => write("filesystems", "nodev\tnfs4\n");

test("an nfs volume is refused by name where the kernel has no NFS client", async () => {
  const filesystems = await write("filesystems", "nodev\ttmpfs\n\text4\n");
  const plugin = nfsPlugin({ filesystems });
  expect(plugin.supports(spec)).toBe(true);
  await expect(plugin.setUp(request())).rejects.toMatchObject({
    code: "NotSupported",
    message: "this node's kernel has no NFS client",
  });
});

test("some mounts are started at a time, however many volumes a pod has", async () => {
  const [gate, begun] = [path.join(dir, "gate"), path.join(dir, "begun")];
  await run("mkfifo", [gate]);
  const mountProgram = await write(
    "mount.nfs",
    `#!/bin/sh\necho >> ${begun}\nexec head -c 1 ${gate}\n`,
  );
  // Its time stands still: no turn ends before its mount.
  const plugin = nfsPlugin({ filesystems: await known(), mountProgram, clock: new ManualClock() });
  const names = Array.from({ length: 2 * NFS_MOUNTS_AT_ONCE_MAX }, (_, n) => `v${n}`);
  const mounted = names.map((name) => plugin.setUp({ ...request(), dir: path.join(dir, name) }));
  const count = () => (existsSync(begun) ? readFileSync(begun).length : 0);
  const places = () => count() >= NFS_MOUNTS_AT_ONCE_MAX;
  await waitFor("as many mounts as there are places", places);
  const before = count();
  await using writer = await open(gate, "r+");
  await writer.write("1".repeat(names.length));
  await Promise.all(mounted);
  expect([before, count()]).toEqual([NFS_MOUNTS_AT_ONCE_MAX, names.length]);
});

test("mount.nfs gets server, directory and options; its error is the volume's", async () => {
  const mountProgram = await write("mount.nfs", '#!/bin/sh\necho "said $*" >&2\nexit 32\n');
  const plugin = nfsPlugin({ filesystems: await known(), mountProgram });
  const readOnly = { ...volume, nfs: { ...volume.nfs, readOnly: true } };
  const asked = { ...request(), spec: { name: "v", volume: readOnly } };
  await expect(plugin.setUp(asked)).rejects.toMatchObject({
    code: "MountFailed",
    message: expect.stringContaining(`said 127.0.0.1:/exports ${path.join(dir, "v")} -o ro`),
  });
  await tearDown();
  expect((await readdir(dir)).sort()).toEqual(["filesystems", "mount.nfs"]);
});

test("a server that looks like a flag is refused", async () => {
  const plugin = nfsPlugin({ filesystems: await known(), mountProgram: "/bin/true" });
  const server = { name: "v", nfs: { server: "-obind", path: "/exports" } };
  const asked = plugin.setUp({ ...request(), spec: { name: "v", volume: server } });
  await expect(asked).rejects.toMatchObject({ code: "NotSupported" });
});

test("a pod's own volume is refused where a server trusts the nodes", async () => {
  const mountProgram = await write("mount.nfs", '#!/bin/sh\necho "said $*" >&2\nexit 32\n');
  const plugin = nfsPlugin({ filesystems: await known(), mountProgram, refuseOwn: true });
  const setUp = (server: string, ofClaim: boolean) => {
    const nfs = { server, path: "/" };
    const persistentVolumeClaim = { claimName: "c" };
    const own = { name: "v", ...(ofClaim ? { persistentVolumeClaim } : { nfs }) };
    const claim = { pv: { metadata: { name: "pv" }, spec: { nfs } }, pvc: {} };
    const wanted = { name: "v", volume: own, ...(ofClaim ? { claim } : {}) } as VolumeSpec;
    return plugin.setUp({ ...request(), spec: wanted });
  };
  // Also a server elsewhere, which may refer the node to the one that trusts it.
  for (const server of ["10.200.0.3", "nfs.example", "192.0.2.1"]) {
    await expect(setUp(server, false)).rejects.toMatchObject({
      code: "NotSupported",
      message: `a pod's own volume may not name nfs server ${server}`,
    });
    await expect(setUp(server, true)).rejects.toMatchObject({ code: "MountFailed" });
  }
});

test("a mount that takes too long ends with all its processes", async () => {
  const pids = path.join(dir, "pid");
  const script = `#!/bin/sh\ntail -f /dev/null & echo $! > ${pids}.new; mv ${pids}.new ${pids}\n`;
  const mountProgram = await write("mount.nfs", `${script}wait\n`);
  const options = { filesystems: await known(), mountProgram, mountTimeout_ms: 1_000 };
  await expect(nfsPlugin(options).setUp(request())).rejects.toMatchObject({ code: "MountFailed" });
  const pid = (await readFile(pids, "utf8")).trim();
  const isAlive = () => existsSync(`/proc/${pid}/exe`) && !isZombie(pid);
  await expect.poll(isAlive, { timeout: 30_000 }).toBe(false);
});

const isZombie = (pid: string) => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");

describe.runIf(process.getuid?.() === 0)("a mounted nfs volume", () => {
  beforeEach(async () => {
    await mkdir(path.join(dir, "v"));
    mount({ source: "server", target: path.join(dir, "v"), type: "tmpfs" });
  });
  afterEach(() => unmount(path.join(dir, "v")));

  test("is read-only for a pod that reads only, also when it is mounted already", async () => {
    const readOnly = { ...volume, nfs: { ...volume.nfs, readOnly: true } };
    const asked = { ...request(), readOnly: false, spec: { name: "v", volume: readOnly } };
    expect(await nfsPlugin().setUp(asked)).toMatchObject({ readOnly: true });
    expect(await nfsPlugin().setUp(request())).toMatchObject({ readOnly: false });
  });

  test("is unmounted and its directory removed", async () => {
    await tearDown();
    expect(await readdir(dir)).toEqual([]);
  });

  test("is detached when its server does not take what the node has to write", async () => {
    const script = '#!/bin/sh\n[ "$1" = -l ] || exec tail -f /dev/null\nexec umount "$@"\n';
    const unmountProgram = await write("umount", script);
    await tearDown({ unmountProgram, unmountTimeout_ms: 2_000 });
    expect(await readdir(dir)).toEqual(["umount"]);
  });

  test("that stays mounted is an error, and nothing in it is removed", async () => {
    await writeFile(path.join(dir, "v/file"), "kept");
    const failed = tearDown({ unmountProgram: "/bin/false" });
    await expect(failed).rejects.toMatchObject({ code: "StillMounted" });
    expect(await readdir(path.join(dir, "v"))).toEqual(["file"]);
  });
});
