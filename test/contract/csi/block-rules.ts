import { open, stat } from "node:fs/promises";
import type { Volume } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { expect, it } from "vitest";
import { BLOCK_WRITER, type CsiFixture, MIB, refused, WRITER } from "./fixture.ts";

const BLOCK_BYTES = 4096;

/** Calls on block volumes of a driver. */
function blockCalls(csi: CsiFixture) {
  return {
    create: (name: string, more: Parameters<typeof csi.create>[0] = { name }) =>
      csi.create({ ...more, name, volumeCapabilities: [BLOCK_WRITER] }),
    async publish(volume: Volume, target: string, readonly = false): Promise<void> {
      await csi.stage(volume, BLOCK_WRITER);
      const publication = csi.publication(volume, target, BLOCK_WRITER);
      await csi.node.nodePublishVolume({ ...publication, readonly });
    },
    async write(target: string, text: string): Promise<void> {
      const device = await open(csi.path(target), "r+");
      try {
        await device.write(blockOf(text), 0, BLOCK_BYTES, 0);
        await device.sync();
      } finally {
        await device.close();
      }
    },
    async read(target: string): Promise<string> {
      const device = await open(csi.path(target), "r");
      try {
        const { buffer } = await device.read(blockOf(""), 0, BLOCK_BYTES, 0);
        return buffer.toString().replace(/\0+$/, "");
      } finally {
        await device.close();
      }
    },
  };
}

/** Raw block volumes (CSI spec 1.12, access type `block`). */
export function blockRules(csi: CsiFixture): void {
  deviceRules(csi);
  copyRules(csi);
}

function deviceRules(csi: CsiFixture): void {
  const { create, publish, write, read } = blockCalls(csi);

  it("a block volume is a device of its capacity, whose data outlives the driver", async () => {
    const volume = await create("block");
    for (let i = 0; i < 2; i++) await publish(volume, "b1");
    expect((await stat(csi.path("b1"))).isBlockDevice()).toBe(true);
    await write("b1", "kept");
    await csi.stop();
    await csi.start();
    await publish(volume, "b1");
    await publish(volume, "b2");
    expect(await read("b2")).toBe("kept");
    const { volumeId } = volume;
    const volumePath = csi.path("b1");
    const { usage } = await csi.node.nodeGetVolumeStats({ volumeId, volumePath });
    expect(usage).toMatchObject([{ unit: 1, total: MIB }]);
    const busy = csi.controller.deleteVolume({ volumeId });
    await expect(busy).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    await csi.node.nodeUnpublishVolume({ volumeId, targetPath: csi.path("b2") });
    await expect(stat(csi.path("b2"))).rejects.toThrow("ENOENT");
    for (let i = 0; i < 2; i++) await csi.unpublish(volume, "b1");
    await publish(volume, "b3");
    expect(await read("b3")).toBe("kept");
    await csi.withdraw(volume, "b3");
    expect(csi.mounts()).toEqual([]);
  });

  it("a block volume published read-only cannot be written to", async () => {
    const volume = await create("block-ro");
    await publish(volume, "rw");
    await write("rw", "written");
    await publish(volume, "ro", true);
    expect(await read("ro")).toBe("written");
    await expect(write("ro", "more")).rejects.toThrow(/EACCES|EPERM|EROFS/);
    await write("rw", "changed");
    await csi.node.nodeUnpublishVolume({ volumeId: volume.volumeId, targetPath: csi.path("ro") });
    await publish(volume, "ro", true);
    expect(await read("ro")).toBe("changed");
    const again = publish(volume, "ro");
    await expect(again).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    const { volumeId } = volume;
    await csi.node.nodeUnpublishVolume({ volumeId, targetPath: csi.path("ro") });
    await csi.withdraw(volume, "rw");
  });

  it("a block volume grows while it is published", async () => {
    const volume = await create("block-grows");
    await publish(volume, "t");
    const capacityRange = { requiredBytes: 3 * MIB };
    const { volumeId } = volume;
    await csi.controller.controllerExpandVolume({ volumeId, capacityRange });
    const device = await open(csi.path("t"), "r");
    const { bytesRead } = await device.read(Buffer.alloc(1), 0, 1, 3 * MIB - 1);
    await device.close();
    expect(bytesRead).toBe(1);
    await csi.withdraw(volume, "t");
  });
}

function copyRules(csi: CsiFixture): void {
  const { create, publish, write, read } = blockCalls(csi);

  it("a block volume is copied as it is, and only into block volumes", async () => {
    const volume = await create("block-source");
    await publish(volume, "t");
    await write("t", "before");
    const { volumeId } = volume;
    const request = { name: "block-snap", sourceVolumeId: volumeId };
    const { snapshot } = await csi.controller.createSnapshot(request);
    await write("t", "after");
    const { snapshotId } = snapshot!;
    const sources = [{ snapshot: { snapshotId } }, { volume: { volumeId } }];
    const contents: string[] = [];
    for (const [i, volumeContentSource] of sources.entries()) {
      const copy = await create(`block-copy${i}`, { name: "", volumeContentSource });
      await publish(copy, `copy${i}`);
      contents.push(await read(`copy${i}`));
      await csi.withdraw(copy, `copy${i}`);
      const mixed = csi.create({ name: `mixed${i}`, volumeContentSource });
      await expect(mixed).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    }
    expect(contents).toEqual(["before", "after"]);
    await csi.withdraw(volume, "t");
    await csi.controller.deleteSnapshot({ snapshotId });
  });

  it("a volume has one access type", async () => {
    const both = csi.create({ name: "both", volumeCapabilities: [WRITER, BLOCK_WRITER] });
    await expect(both).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    const volume = await create("one-type");
    const asMount = csi.create({ name: "one-type" });
    await expect(asMount).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    await expect(csi.stage(volume)).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await csi.stage(volume, BLOCK_WRITER);
    const mounted = csi.node.nodePublishVolume(csi.publication(volume, "t"));
    await expect(mounted).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await csi.withdraw(volume, "t");
  });
}

/** One block of a device, beginning with a text. */
function blockOf(text: string): Buffer {
  const buffer = Buffer.alloc(BLOCK_BYTES);
  buffer.write(text);
  return buffer;
}
