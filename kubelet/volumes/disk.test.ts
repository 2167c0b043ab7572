import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bindMount, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { mountMemory, removeVolumeDir } from "./disk.ts";

let dir: string;
const at = (name: string) => join(dir, name);
beforeEach(() => {
  dir = testFolder("r2k-disk-");
  for (const name of ["memory", "bound", "plain"]) mkdirSync(at(name));
  for (const name of ["file", "other"]) writeFileSync(at(name), "");
  symlinkSync("memory", at("link"));
});
afterEach(() => {
  for (const name of ["plain/inside", "memory", "bound", "file"]) unmount(at(name));
});

const REQUEST = { podUid: "u", volumeName: "v" };

/** Asks about names in a folder with no list of mounts to be had. */
const PROGRAM = `
  const [point, mounts, ...names] = process.argv.slice(1);
  const { isMountPoint } = await import(point);
  (await import(mounts)).mount({ source: "none", target: "/proc", type: "tmpfs" });
  console.log(names.map(isMountPoint).join(" "));
`;

describe.runIf(process.getuid?.() === 0)("a mount point", () => {
  beforeEach(() => {
    mount({ source: "none", target: at("memory"), type: "tmpfs" });
    bindMount(at("plain"), at("bound"));
    bindMount(at("other"), at("file"));
  });

  const NAMES = [
    "memory",
    "bound",
    "file",
    "plain",
    "other",
    "link",
    "absent",
    "absent/x",
    "file/x",
  ];
  const ANSWERS = [true, true, true, false, false, false, false, false, false];

  test("is distinguished from other directories, also of the same file system", () => {
    expect(NAMES.map((name) => isMountPoint(at(name)))).toEqual(ANSWERS);
  });

  test("is found without the list of all mounts, whose length is up to the pods", () => {
    const modules = ["mount/mount-point.ts", "mount/mount.ts"].map((name) => {
      return import.meta.resolve(`@raft2kube/linux/${name}`);
    });
    const node = [process.execPath, "--input-type=module", "--eval", PROGRAM, ...modules];
    const { stdout, stderr } = spawnSync("unshare", ["-m", ...node, ...NAMES.map(at)]);
    expect([String(stderr), String(stdout)]).toEqual(["", `${ANSWERS.join(" ")}\n`]);
  });

  test("is gone before the files in its memory are, which another thread frees", async () => {
    const { dev } = statSync(at("memory"));
    const isHeld = () =>
      readdirSync("/proc/self/fd").some((fd) => {
        return statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.dev === dev;
      });
    const removed = removeVolumeDir({ ...REQUEST, dir: at("memory"), inside: undefined });
    expect([isMountPoint(at("memory")), isHeld()]).toEqual([false, true]);
    await removed;
    expect([existsSync(at("memory")), isHeld()]).toEqual([false, false]);
  });

  test("within a volume keeps the volume", async () => {
    mkdirSync(at("plain/inside"));
    bindMount(at("memory"), at("plain/inside"));

    const removing = removeVolumeDir({ ...REQUEST, dir: at("plain"), inside: at("plain/inside") });
    await expect(removing).rejects.toMatchObject({ code: "StillMounted" });
  });
});

const SWAP_OFF = ["-m", "mount", "-t", "tmpfs", "-o", "noswap", "none", "/proc"];

test.runIf(spawnSync("unshare", SWAP_OFF).status === 0)("memory is not swapped", async () => {
  await mountMemory(at("memory"), "size=64k");
  const found = readMountInfo().find(({ mountPoint }) => mountPoint === at("memory"));
  expect(found?.superOptions).toEqual(expect.arrayContaining(["noswap", "size=64k"]));
});
