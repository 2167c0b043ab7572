import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import type { ContentForm } from "@raft2kube/csi/drivers/hostpath/volume-contents.ts";
import { imagesMissing } from "@raft2kube/csi/drivers/hostpath/volume-image.ts";
import { isImageAt } from "@raft2kube/csi/drivers/hostpath/volume-mounts.ts";
import { loopDevicesOf } from "@raft2kube/linux/mount/loop-device.ts";
import { VolumeUsage_Unit as Unit, type Volume } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { BLOCK_WRITER, CsiFixture, MIB, refused, WRITER } from "./fixture.ts";

/** A write by which a claim of 1 MiB would take more than it asked for. */
const TOO_MUCH = Buffer.alloc(3 * MIB, "x");
const missing = await imagesMissing("/var/tmp");
const clock = systemClock();

let form: ContentForm | undefined;
const csi = new CsiFixture({
  async start(dir) {
    const socket = path.join(dir, "csi.sock");
    const dataDir = path.join(dir, "data");
    const options = { socket, dataDir, nodeId: "n", clock };
    const driver = await startHostPathDriver({ ...options, ...(form && { form }) });
    return { socket, close: driver.close };
  },
});
afterEach(() => csi.close());

const grow = ({ volumeId }: Volume, requiredBytes: number) =>
  csi.controller.controllerExpandVolume({ volumeId, capacityRange: { requiredBytes } });
const stats = ({ volumeId }: Volume, target: string) =>
  csi.node.nodeGetVolumeStats({ volumeId, volumePath: csi.path(target) });
const bytesOf = async (volume: Volume, target: string) =>
  (await stats(volume, target)).usage.find(({ unit }) => unit === Unit.BYTES)!;

/** Loop devices over files of this test, deleted ones too. */
const loops = () =>
  execFileSync("losetup", ["-a"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(csi.dir));

/** A device goes with its last mount, and namespaces made meanwhile hold copies of all mounts. */
const noLoops = () => waitFor("loop devices to go", () => loops().length === 0);

const which = (program: string) =>
  execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();

/** Returns the disk usage of the driver's data. */
function onDisk_bytes(): number {
  const said = execFileSync("du", ["-sxk", csi.path("data")], { encoding: "utf8" });
  return Number(said.split("\t")[0]) * 1024;
}

/** Whether this process may grow a file system that is mounted: bit 24 is CAP_SYS_RESOURCE. */
function growsMounted(): boolean {
  const [, bits] = /CapEff:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))!;
  return ((BigInt(`0x${bits}`) >> 24n) & 1n) === 1n;
}

describe.runIf(missing === undefined)("a volume that is an image", () => {
  beforeEach(async () => {
    form = undefined;
    await csi.open();
  });

  it("takes no more of the disk than its capacity: the write gets ENOSPC", async () => {
    const volume = await csi.create({ name: "v" });
    await csi.publish(volume, "t");
    await expect(writeFile(csi.path("t/file"), TOO_MUCH)).rejects.toThrow("ENOSPC");
    expect((await bytesOf(volume, "t")).total).toBeLessThanOrEqual(MIB);
    expect(onDisk_bytes()).toBeLessThan(2 * MIB);
    await csi.withdraw(volume, "t");
    await noLoops();
  });

  it("is written out by another process before its last unmount", async () => {
    await mkdir(csi.path("bin"));
    const program = `#!/bin/sh\necho "$@" >>${csi.path("synced")}\nexec ${which("sync")} "$@"\n`;
    await writeFile(csi.path("bin/sync"), program, { mode: 0o755 });
    const volume = await csi.create({ name: "v" });
    await csi.publish(volume, "t");
    const block = await csi.create({ name: "b", volumeCapabilities: [BLOCK_WRITER] });
    await csi.stage(block, BLOCK_WRITER);
    const [device] = loopDevicesOf(csi.path(`data/volumes/${block.volumeId}`));
    vi.stubEnv("PATH", `${csi.path("bin")}:${process.env["PATH"]}`);
    try {
      await csi.withdraw(volume, "t");
      await csi.withdraw(block, "none");
    } finally {
      vi.unstubAllEnvs();
    }
    const synced = `-f ${csi.stagingOf(volume)}\n/dev/${device}\n`;
    expect(await readFile(csi.path("synced"), "utf8")).toBe(synced);
  });

  it("is known by the loop device of its mount, and by no link or directory there", async () => {
    const volume = await csi.create({ name: "v" });
    const other = await csi.create({ name: "other" });
    await csi.publish(volume, "t");
    await mkdir(csi.path("t/sub"));
    await symlink(csi.path("t"), csi.path("link"));
    const content = csi.path(`data/volumes/${volume.volumeId}`);
    const found = ["t", "t/sub", "link", ".", "none"].map((at) => isImageAt(content, csi.path(at)));
    expect(found).toEqual([true, false, false, false, false]);
    expect(isImageAt(csi.path(`data/volumes/${other.volumeId}`), csi.path("t"))).toBe(false);
    await expect(stats(volume, "link")).rejects.toEqual(refused(Status.NOT_FOUND));
    await csi.withdraw(volume, "t");
  });

  it("is empty and for everyone, nothing of its file system in it", async () => {
    const volume = await csi.create({ name: "v", capacityRange: { requiredBytes: 32 * MIB } });
    await csi.publish(volume, "t");
    expect(readdirSync(csi.path("t"))).toEqual([]);
    const { blocks, bsize } = statfsSync(csi.path("t"));
    expect(blocks * bsize).toBeGreaterThan(0.9 * 32 * MIB);
    await csi.withdraw(volume, "t");
  });

  it("of one pod is bounded as well, and goes with it", async () => {
    const volumeId = "csi-inline";
    const volumeContext = { "csi.storage.k8s.io/ephemeral": "true" };
    const targetPath = csi.path("t");
    const request = { volumeId, volumeContext, targetPath, volumeCapability: WRITER };
    for (let i = 0; i < 2; i++) await csi.node.nodePublishVolume(request);
    const { blocks, bsize } = statfsSync(targetPath);
    expect(blocks * bsize).toBeLessThanOrEqual(1024 * MIB);
    for (let i = 0; i < 2; i++) await csi.node.nodeUnpublishVolume({ volumeId, targetPath });
    expect(readdirSync(csi.path("data/volumes"))).toEqual([]);
    await noLoops();
  });

  it("grows with its content, mounted where the kernel allows it", async () => {
    const volume = await csi.create({ name: "v" });
    await csi.publish(volume, "t");
    await writeFile(csi.path("t/file"), "kept", { mode: 0o640 });
    if (growsMounted()) await grow(volume, 8 * MIB);
    else await expect(grow(volume, 8 * MIB)).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    await csi.unpublish(volume, "t");
    await noLoops();
    for (const size of [8 * MIB, 8 * MIB, 64 * MIB]) await grow(volume, size);
    await csi.publish(volume, "t");
    expect(await readFile(csi.path("t/file"), "utf8")).toBe("kept");
    await writeFile(csi.path("t/more"), TOO_MUCH);
    const { total } = await bytesOf(volume, "t");
    expect([total > 0.9 * 64 * MIB, total <= 64 * MIB]).toEqual([true, true]);
    await csi.withdraw(volume, "t");
    await noLoops();
  });

  it("has a bound of its own as a clone of one that is in use", async () => {
    const source = await csi.create({ name: "source" });
    await csi.publish(source, "s");
    await writeFile(csi.path("s/file"), "cloned");
    const volumeContentSource = { volume: { volumeId: source.volumeId } };
    const clone = await csi.create({ name: "clone", volumeContentSource });
    await csi.publish(clone, "c");
    expect(await readFile(csi.path("c/file"), "utf8")).toBe("cloned");
    await expect(writeFile(csi.path("c/more"), TOO_MUCH)).rejects.toThrow("ENOSPC");
    await csi.withdraw(clone, "c");
    await csi.withdraw(source, "s");
    await noLoops();
  });

  it("gives the blocks of what was deleted in it back to the disk", async () => {
    const volume = await csi.create({ name: "v", capacityRange: { requiredBytes: 64 * MIB } });
    await csi.publish(volume, "t");
    await writeFile(csi.path("t/file"), Buffer.alloc(32 * MIB, "x"), { flush: true });
    expect(onDisk_bytes()).toBeGreaterThan(32 * MIB);
    await writeFile(csi.path("t/file"), "", { flush: true });
    await csi.unpublish(volume, "t");
    expect(onDisk_bytes()).toBeLessThan(8 * MIB);
    await csi.controller.deleteVolume({ volumeId: volume.volumeId });
  });

  it("stands beside the directories of earlier versions, which go on", async () => {
    await csi.stop();
    form = "directory";
    await csi.start();
    const volume = await csi.create({ name: "old" });
    await csi.publish(volume, "t");
    await writeFile(csi.path("t/file"), "old");
    await csi.stop();
    form = undefined;
    await csi.start();
    await csi.publish(volume, "t");
    expect(await bytesOf(volume, "t")).toMatchObject({ total: MIB, used: 4096 });
    const volumeContentSource = { volume: { volumeId: volume.volumeId } };
    const clone = await csi.create({ name: "clone", volumeContentSource });
    await csi.publish(clone, "c");
    expect(await readFile(csi.path("c/file"), "utf8")).toBe("old");
    await grow(volume, 8 * MIB);
    expect(await bytesOf(volume, "t")).toMatchObject({ total: 8 * MIB });
    await csi.withdraw(clone, "c");
    await csi.withdraw(volume, "t");
    expect(csi.mounts()).toEqual([]);
    await noLoops();
  });
});

describe("a volume that is a directory", () => {
  beforeEach(async () => {
    form = "directory";
    await csi.open();
  });

  it("is reported above its capacity, and published again only after it was expanded", async () => {
    const volume = await csi.create({ name: "v" });
    await csi.publish(volume, "t");
    expect((await stats(volume, "t")).volumeCondition?.abnormal).toBe(false);
    await writeFile(csi.path("t/file"), TOO_MUCH);
    const bytes = await bytesOf(volume, "t");
    expect(bytes).toMatchObject({ total: MIB, used: 3 * MIB, available: 0 });
    const { volumeId } = volume;
    const { status } = await csi.controller.controllerGetVolume({ volumeId });
    for (const condition of [status?.volumeCondition, (await stats(volume, "t")).volumeCondition]) {
      expect(condition?.message).toContain(`holds ${3 * MIB} bytes, its capacity is ${MIB}`);
      expect(condition?.abnormal).toBe(true);
    }
    await csi.publish(volume, "t");
    await csi.unpublish(volume, "t");
    await expect(csi.publish(volume, "t")).rejects.toEqual(refused(Status.RESOURCE_EXHAUSTED));
    await csi.node.nodePublishVolume({ ...csi.publication(volume, "r"), readonly: true });
    await grow(volume, 8 * MIB);
    await csi.publish(volume, "t");
    expect((await stats(volume, "t")).volumeCondition?.abnormal).toBe(false);
    await csi.node.nodeUnpublishVolume({ volumeId, targetPath: csi.path("r") });
    await csi.withdraw(volume, "t");
  });
});
