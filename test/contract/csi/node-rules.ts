import { readFile, writeFile } from "node:fs/promises";
import { VolumeCapability_AccessMode_Mode as Mode } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { expect, it } from "vitest";
import { type CsiFixture, capability, refused } from "./fixture.ts";

/** Rules for the persistence of a volume's data (CSI spec 1.12, Node service). */
export function nodeDataRules(csi: CsiFixture): void {
  it("data outlives unpublish, unstage and the driver", async () => {
    const volume = await csi.create({ name: "data" });
    for (let i = 0; i < 2; i++) await csi.publish(volume, "a");
    await writeFile(csi.path("a/file"), "kept");
    for (let i = 0; i < 2; i++) await csi.unpublish(volume, "a");
    await expect(readFile(csi.path("a/file"))).rejects.toThrow("ENOENT");
    await csi.stop();
    await csi.start();
    await csi.publish(volume, "b");
    expect(await readFile(csi.path("b/file"), "utf8")).toBe("kept");
    await csi.withdraw(volume, "b");
    expect(csi.mounts()).toEqual([]);
  });

  it("a published volume stays through a restart of the driver, and leaves after it", async () => {
    const volume = await csi.create({ name: "restart" });
    await csi.publish(volume, "t");
    await csi.stop();
    await csi.start();
    await writeFile(csi.path("t/file"), "still there");
    await csi.publish(volume, "t");
    await csi.withdraw(volume, "t");
    expect(csi.mounts()).toEqual([]);
  });

  it("a volume in use is not deleted, and keeps its data", async () => {
    const volume = await csi.create({ name: "used" });
    await csi.publish(volume, "t");
    await writeFile(csi.path("t/file"), "precious");
    const deleted = csi.controller.deleteVolume({ volumeId: volume.volumeId });
    await expect(deleted).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    expect(await readFile(csi.path("t/file"), "utf8")).toBe("precious");
    await csi.withdraw(volume, "t");
  });
}

/** How and where a volume may be published. */
export function nodePublishRules(csi: CsiFixture): void {
  it("read-only is kept by the kernel; the same target in another way is refused", async () => {
    const volume = await csi.create({ name: "ro" });
    await csi.stage(volume);
    await csi.node.nodePublishVolume({ ...csi.publication(volume, "ro"), readonly: true });
    await expect(writeFile(csi.path("ro/f"), "")).rejects.toThrow("EROFS");
    const writable = csi.node.nodePublishVolume(csi.publication(volume, "ro"));
    await expect(writable).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    await csi.withdraw(volume, "ro");
  });

  it("refused: an unstaged volume, unknown ids, paths that are not plain", async () => {
    const volume = await csi.create({ name: "v" });
    const request = csi.publication(volume, "t");
    const cases: [Parameters<typeof csi.node.nodePublishVolume>[0], number][] = [
      ...(csi.stages ? [[request, Status.FAILED_PRECONDITION] as [typeof request, number]] : []),
      [{ ...request, volumeId: csi.unknownId }, Status.NOT_FOUND],
      [{ ...request, volumeId: "" }, Status.INVALID_ARGUMENT],
      [{ ...request, targetPath: "" }, Status.INVALID_ARGUMENT],
      [{ ...request, targetPath: "t" }, Status.INVALID_ARGUMENT],
      [{ ...request, targetPath: "/a/../b" }, Status.INVALID_ARGUMENT],
      [{ ...request, volumeCapability: undefined }, Status.INVALID_ARGUMENT],
    ];
    for (const [refusedRequest, status] of cases) {
      await expect(csi.node.nodePublishVolume(refusedRequest)).rejects.toEqual(refused(status));
    }
    expect(csi.mounts()).toEqual([]);
  });

  it("SINGLE_NODE_SINGLE_WRITER: one target path only", async () => {
    const volumeCapability = capability(Mode.SINGLE_NODE_SINGLE_WRITER);
    const volume = await csi.create({ name: "rwop", volumeCapabilities: [volumeCapability] });
    await csi.stage(volume);
    const publish = (target: string) =>
      csi.node.nodePublishVolume({ ...csi.publication(volume, target), volumeCapability });
    await publish("a");
    await publish("a");
    await expect(publish("b")).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    await csi.withdraw(volume, "a");
  });

  it("NodeGetVolumeStats: bytes and inodes of the published path", async () => {
    const volume = await csi.create({ name: "stats" });
    await csi.publish(volume, "t");
    const { volumeId } = volume;
    const { usage } = await csi.node.nodeGetVolumeStats({ volumeId, volumePath: csi.path("t") });
    expect(usage.map(({ unit }) => unit).sort()).toEqual([1, 2]);
    for (const { total, used } of usage) expect(total).toBeGreaterThanOrEqual(used);
    await csi.withdraw(volume, "t");
  });
}
