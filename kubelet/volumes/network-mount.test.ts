import { mkdir, realpath, symlink } from "node:fs/promises";
import path from "node:path";
import { type MountInfo, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { fsGroupWork, requireLocal } from "./network-mount.ts";

let dir: string;
beforeEach(async () => {
  dir = await realpath(testFolder("r2k-network-mount-"));
  await mkdir(path.join(dir, "volume/mount"), { recursive: true });
});

const plan = { driver: "nfs.test", fsGroupPolicy: "File" };
const workOn = (at: string) =>
  fsGroupWork(plan, { name: "data", path: path.join(dir, at), own: path.join(dir, "volume") });

function mounted(type: string) {
  return (): MountInfo[] => {
    const own = { ...readMountInfo()[0]!, mountPoint: "/", type: "ext4", device: "8:1" };
    const mountPoint = path.join(dir, "volume/mount");
    return [own, { ...own, mountPoint, type, source: "server:/data", device: "0:99" }];
  };
}

test("fsGroup on a network file system is refused, naming volume, policy and remedy", async () => {
  for (const type of ["nfs", "nfs4", "cifs", "ceph", "fuse", "fuse.sshfs"]) {
    const asked = requireLocal(workOn("volume/mount"), mounted(type));
    await expect(asked, type).rejects.toMatchObject({
      code: "NotSupported",
      message: expect.stringMatching(/volume data .*fsGroupPolicy File: .*server:\/data by/),
    });
  }
  for (const type of ["ext4", "xfs", "tmpfs", "9p", "virtiofs"]) {
    await requireLocal(workOn("volume/mount"), mounted(type));
  }
});

test("a path that leads to the mount through links is refused as well", async () => {
  await symlink("volume", path.join(dir, "above"));
  await symlink("volume/mount", path.join(dir, "last"));
  for (const at of ["above/mount", "last"]) {
    const asked = requireLocal(workOn(at), mounted("nfs4"));
    await expect(asked, at).rejects.toMatchObject({ code: "NotSupported" });
  }
});
