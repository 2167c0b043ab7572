import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { type MountInfo, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { mountSubPath } from "./sub-path.ts";

let dir: string;
let volume: string;
let target: string;
beforeEach(async () => {
  dir = testFolder("r2k-subpath-");
  volume = join(dir, "volume");
  target = join(dir, "target");
  await mkdir(volume);
});
afterEach(async () => {
  unmount(target);
});

const mountPath = (subPath: string, mounts?: () => MountInfo[]) => {
  const how = { beside: dir, ...(mounts && { mounts }) };
  return mountSubPath({ name: "data", path: volume }, subPath, target, how);
};

describe("subPath", () => {
  test("mounts a directory, made when it is missing", async () => {
    await mountPath("a/b");
    await writeFile(join(target, "file"), "seen");
    expect(await readFile(join(volume, "a/b/file"), "utf8")).toBe("seen");
  });

  test("makes directories with the volume's mode, whatever the umask", async () => {
    await chmod(volume, 0o3777);
    await mountPath("a/b");
    for (const made of ["a", "a/b"]) {
      expect((await stat(join(volume, made))).mode & 0o7777).toBe(0o3777);
    }
  });

  test("finds what exists of a long path with few lookups", async () => {
    const levels = (count: number) => Array.from({ length: count }, () => "a");
    await mkdir(join(volume, ...levels(300)), { recursive: true });
    const lookups = vi.spyOn(Directory.prototype, "handle");
    await mountPath([...levels(300), ...levels(300)].join("/"));
    expect(lookups.mock.calls.length).toBeLessThan(20);
    lookups.mockRestore();
    await writeFile(join(target, "file"), "seen");
    expect(await readFile(join(volume, ...levels(600), "file"), "utf8")).toBe("seen");
  });

  test("mounts a single file, through the volume's own links", async () => {
    await mkdir(join(volume, "..1"));
    await writeFile(join(volume, "..1/key"), "value");
    await symlink("..1", join(volume, "..data"));
    await symlink("..data/key", join(volume, "key"));
    await mountPath("key");
    expect(await readFile(target, "utf8")).toBe("value");
  });

  test("mounts a file again that was replaced, and one that was not stays", async () => {
    const use = async (data: string, value: string) => {
      await mkdir(join(volume, data));
      await writeFile(join(volume, data, "key"), value);
      await symlink(data, join(volume, "..new"));
      await rename(join(volume, "..new"), join(volume, "..data"));
    };
    await symlink("..data/key", join(volume, "key"));
    await use("..1", "old");
    await mountPath("key");
    const mounted = () => readMountInfo().find(({ mountPoint }) => mountPoint === target)?.id;
    const first = mounted();
    await mountPath("key");
    expect(mounted()).toBe(first);
    await use("..2", "new");
    await rm(join(volume, "..1"), { recursive: true });
    await mountPath("key");
    expect(await readFile(target, "utf8")).toBe("new");
    expect(readMountInfo().filter(({ mountPoint }) => mountPoint === target)).toHaveLength(1);
  });

  test("mounts a directory in place of a file", async () => {
    await writeFile(join(volume, "a"), "");
    await mountPath("a");
    await rm(join(volume, "a"));
    await mountPath("a");
    await writeFile(join(target, "file"), "seen");
    expect(await readFile(join(volume, "a/file"), "utf8")).toBe("seen");
  });

  test.each([
    ["an absolute link", "/etc"],
    ["a relative link", "../../../../../../../../etc"],
  ])("refuses %s out of the volume", async (_, to) => {
    await symlink(to, join(volume, "link"));
    const mounting = mountPath("link");
    await expect(mounting).rejects.toMatchObject({ code: "InvalidPath" });
    const deeper = mountPath("link/r2k-new");
    await expect(deeper).rejects.toMatchObject({ code: "InvalidPath" });
  });

  test.each(["../x", "/etc"])("refuses the path %s", async (subPath) => {
    const mounting = mountPath(subPath);
    await expect(mounting).rejects.toMatchObject({ code: "InvalidPath" });
  });

  test.each(["nfs4", "cifs", "fuse.sshfs"])("refuses a volume of %s, untouched", async (type) => {
    const mounted = (mountPoint: string): MountInfo[] => {
      const [one] = readMountInfo();
      const own = { ...one!, mountPoint: "/", type: "ext4", device: "8:1" };
      return [own, { ...own, mountPoint, type, source: "nfs.test:/data", device: "0:99" }];
    };
    await expect(mountPath("a/b", () => mounted(volume))).rejects.toMatchObject({
      code: "NotSupported",
      message: expect.stringMatching(/^subPath a\/b of volume data .*nfs\.test:\/data by/),
    });
    expect(await readdir(volume)).toEqual([]);
    // The kubelet's own files are on it: nothing is gained by a refusal.
    await mountPath("a", () => mounted(dir));
    expect(await readdir(volume)).toEqual(["a"]);
  });
});
