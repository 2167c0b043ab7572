import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { mountsOfVolume } from "@raft2kube/csi/drivers/hostpath/volume-mounts.ts";
import { COPIES_OF_NAMESPACE_MAX } from "@raft2kube/csi/lib/limits.ts";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import {
  attachLoopDevice,
  detachLoopDevice,
  loopDevicesOf,
} from "@raft2kube/linux/mount/loop-device.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import type { Volume } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockRules } from "./block-rules.ts";
import { BLOCK_WRITER, CsiFixture, type DriverUnderTest, MIB, refused } from "./fixture.ts";
import { groupRules } from "./group-rules.ts";
import { csiContract } from "./suite.ts";

/** LOOP_CHANGE_FD, which a pod that has the node of a read-only device may call. */
const LOOP_CHANGE_FD = 0x4c06;

function changeFile(device: string, file: string): void {
  const [at, to] = [openSync(`/dev/${device}`, "r"), openSync(file, "r")];
  try {
    const changed = libc.ioctlNumber(at, LOOP_CHANGE_FD, to);
    check("ioctl", changed, `LOOP_CHANGE_FD of ${device}`);
  } finally {
    closeSync(at);
    closeSync(to);
  }
}

type Options = Partial<Parameters<typeof startHostPathDriver>[0]>;

const driverWith = (options: Options): DriverUnderTest => ({
  async start(dir) {
    const socket = path.join(dir, "csi.sock");
    const driver = await startHostPathDriver({
      socket,
      dataDir: path.join(dir, "data"),
      nodeId: "node-1",
      clock: systemClock(),
      ...options,
    });
    return { socket, close: driver.close };
  },
});

csiContract("hostpath", driverWith({}), [blockRules, groupRules]);

describe("the hostPath driver's copies", () => {
  const csi = new CsiFixture(driverWith({ form: "directory" }));
  beforeEach(() => csi.open());
  afterEach(() => csi.close());

  it("a namespace has a few at a time, the others are tried again", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `${index}`);
    const sources = await Promise.all(names.map((name) => csi.create({ name })));
    const clones = sources.map(({ volumeId }, index) => ({
      name: `clone${index}`,
      parameters: { "csi.storage.k8s.io/pvc/namespace": "team" },
      volumeContentSource: { volume: { volumeId } },
    }));
    const settled = await Promise.allSettled(clones.map((clone) => csi.create(clone)));
    const refusals = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeLessThanOrEqual(clones.length - COPIES_OF_NAMESPACE_MAX);
    for (const refusal of refusals) expect(refusal).toEqual(refused(Status.ABORTED));
    for (const clone of clones) await csi.create(clone);
  });
});

describe("the hostPath driver's block devices", () => {
  const csi = new CsiFixture(driverWith({}));
  beforeEach(() => csi.open());
  afterEach(() => csi.close());

  const contentOf = ({ volumeId }: Volume) => csi.path(`data/volumes/${volumeId}`);
  const numberOf = async (target: string) => (await stat(csi.path(target))).rdev;
  async function publish(name: string, readonly = false): Promise<Volume> {
    const volume = await csi.create({ name, volumeCapabilities: [BLOCK_WRITER] });
    await csi.stage(volume, BLOCK_WRITER);
    const publication = csi.publication(volume, name, BLOCK_WRITER);
    await csi.node.nodePublishVolume({ ...publication, readonly });
    return volume;
  }
  /** Calls LOOP_CLR_FD, as a pod that has the node may do without any capability. */
  async function detachInPod(target: string): Promise<void> {
    detachLoopDevice(`loop${splitDeviceNumber(await numberOf(target)).minor}`);
  }

  it("a device that its pod detaches stays the volume's until it is unstaged", async () => {
    const mine = await publish("mine");
    const read = await publish("read", true);
    await detachInPod("mine");
    await detachInPod("read");
    expect(loopDevicesOf(contentOf(mine))).toHaveLength(1);
    expect(loopDevicesOf(contentOf(read))).toHaveLength(2);
    await csi.withdraw(mine, "mine");
    await csi.withdraw(read, "read");
    expect([mine, read].flatMap((each) => loopDevicesOf(contentOf(each)))).toEqual([]);
    const again = await publish("again");
    await csi.stop();
    await csi.start();
    await detachInPod("again");
    expect(loopDevicesOf(contentOf(again))).toHaveLength(1);
    await csi.withdraw(again, "again");
  });

  it.each([
    ["", async () => {}],
    [
      ", after a restart of the driver too",
      async () => {
        await csi.stop();
        await csi.start();
      },
    ],
  ])("a device that its pod gives another file is unpublished and detached%s", async (_, then) => {
    const read = await publish("swapped", true);
    const target = await numberOf("swapped");
    const { size } = await stat(contentOf(read));
    await writeFile(csi.path("other"), "");
    await truncate(csi.path("other"), size);
    changeFile(`loop${splitDeviceNumber(target).minor}`, csi.path("other"));
    expect(loopDevicesOf(csi.path("other"))).toHaveLength(1);
    await then();
    await csi.withdraw(read, "swapped");
    expect(loopDevicesOf(contentOf(read))).toEqual([]);
    expect(loopDevicesOf(csi.path("other"))).toEqual([]);
  });

  it("a device that was detached while the driver was away is no other volume's", async () => {
    const mine = await publish("mine");
    await csi.stop();
    await detachInPod("mine");
    await csi.start();
    expect(loopDevicesOf(contentOf(mine))).toEqual([]);
    const devicesBefore = await readdir("/sys/block");
    const rounds = 12;
    for (let i = 0; i < rounds; i++) {
      const other = await publish(`other${i}`);
      expect(await numberOf(`other${i}`)).not.toBe(await numberOf("mine"));
      await csi.withdraw(other, `other${i}`);
    }
    // Other tests of this machine may add some; each round would without free ones in use again.
    expect((await readdir("/sys/block")).length).toBeLessThan(devicesBefore.length + rounds);
  });

  it("a device of another file under the same path is not the volume's", async () => {
    const file = csi.path("tmpfs/file");
    await mkdir(path.dirname(file));
    const names: string[] = [];
    for (let i = 0; i < 2; i++) {
      execFileSync("mount", ["-t", "tmpfs", "none", path.dirname(file)]);
      await writeFile(file, Buffer.alloc(MIB));
      using device = attachLoopDevice(file, { readOnly: true });
      names.push(path.basename(device.path));
    }
    expect(loopDevicesOf(file).sort()).toEqual(names.toSorted());
    expect(new Set(names).size).toBe(2);
    for (const name of names) detachLoopDevice(name);
  });

  it("a mount elsewhere of a file with a device's name is not visited", async () => {
    const volume = await publish("mine");
    const content = contentOf(volume);
    const [name] = loopDevicesOf(content);
    const mounts = readMountInfo();
    const ours = mounts.filter(({ mountPoint }) => mountPoint === csi.path("mine"));
    expect(mountsOfVolume(content, mounts)).toEqual(ours);
    // Visited, it would be found to be the device.
    const mountPoint = `/dev/${name}`;
    const ofServer = { ...ours[0]!, mountPoint, device: "0:9999", root: `/export/${name}` };
    const inDirectory = { ...ours[0]!, mountPoint, root: `/own/${name}` };
    const others = [ofServer, inDirectory];
    expect(mountsOfVolume(content, [...mounts, ...others])).toEqual(ours);
    await csi.withdraw(volume, "mine");
  });
});

describe("the hostPath driver's options", () => {
  const options: Options = {
    maxVolumesPerNode: 7,
    mutableParameters: ["speed"],
    form: "directory",
  };
  const csi = new CsiFixture(driverWith(options));
  beforeEach(() => csi.open());
  afterEach(() => csi.close());

  it("reports the most volumes that a node may use, and its own topology", async () => {
    expect(await csi.node.nodeGetInfo({})).toMatchObject({
      maxVolumesPerNode: 7,
      accessibleTopology: { segments: { "topology.hostpath.csi.r2k.dev/node": "node-1" } },
    });
  });

  it("a full disk is freed by a deletion", async () => {
    await csi.stop();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", csi.path("data")]);
    await csi.start();
    const { volumeId } = await csi.create({ name: "full" });
    const file = csi.path(`data/volumes/${volumeId}/file`);
    await expect(writeFile(file, Buffer.alloc(2 * MIB))).rejects.toThrow("ENOSPC");
    await csi.controller.deleteVolume({ volumeId });
    await csi.create({ name: "other" });
  });

  it("a group snapshot of which a member fails leaves nothing on the disk", async () => {
    const names = ["a", "b", "c"];
    const volumes = await Promise.all(names.map((name) => csi.create({ name })));
    const sourceVolumeIds = volumes.map(({ volumeId }) => volumeId).sort();
    await rm(csi.path(`data/volumes/${sourceVolumeIds.at(-1)!}`), { recursive: true });
    for (let i = 0; i < 2; i++) {
      const created = csi.group.createVolumeGroupSnapshot({ name: "group", sourceVolumeIds });
      await expect(created).rejects.toEqual(refused(Status.INTERNAL));
      expect(await readdir(csi.path("data/snapshots"))).toEqual([]);
    }
  });

  it("modifies the parameters that it was told to accept, and no others", async () => {
    const volume = await csi.create({ name: "v", mutableParameters: { speed: "low" } });
    const { volumeId } = volume;
    const modify = (mutableParameters: Record<string, string>) =>
      csi.controller.controllerModifyVolume({ volumeId, mutableParameters });
    for (let i = 0; i < 2; i++) await modify({ speed: "high" });
    await expect(modify({ color: "red" })).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await csi.stop();
    await csi.start();
    await modify({ speed: "higher" });
    await csi.controller.deleteVolume({ volumeId });
    await expect(modify({ speed: "low" })).rejects.toEqual(refused(Status.NOT_FOUND));
  });
});
