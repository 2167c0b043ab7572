import { readFile, writeFile } from "node:fs/promises";
import { VolumeCapability_AccessMode_Mode as Mode } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { expect, it } from "vitest";
import { type CsiFixture, MIB, refused, WRITER } from "./fixture.ts";

/** The Controller's other calls on volumes (CSI spec 1.12). */
export function controllerRules(csi: CsiFixture): void {
  it("ListVolumes pages without skipping or repeating while volumes come and go", async () => {
    if (!csi.lists) {
      const listed = csi.controller.listVolumes({});
      return expect(listed).rejects.toEqual(refused(Status.UNIMPLEMENTED));
    }
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await csi.create({ name: `v${i}` })).volumeId);
    const first = await csi.controller.listVolumes({ maxEntries: 2 });
    expect(first.entries).toHaveLength(2);
    const seen = first.entries.map((entry) => entry.volume!.volumeId);
    await csi.controller.deleteVolume({ volumeId: seen[1]! });
    const rest = await csi.controller.listVolumes({ startingToken: first.nextToken });
    expect(rest.nextToken).toBe("");
    const all = [...seen, ...rest.entries.map((entry) => entry.volume!.volumeId)];
    expect(all.sort()).toEqual(ids.sort());
    const invalid = csi.controller.listVolumes({ startingToken: "nonsense" });
    await expect(invalid).rejects.toEqual(refused(Status.ABORTED));
  });

  it("ValidateVolumeCapabilities confirms what it can, explains what it cannot", async () => {
    const { volumeId } = await csi.create({ name: "v" });
    const { validateVolumeCapabilities } = csi.controller;
    const yes = await validateVolumeCapabilities({ volumeId, volumeCapabilities: [WRITER] });
    expect(yes.confirmed?.volumeCapabilities).toHaveLength(1);
    const block = { block: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
    const no = await validateVolumeCapabilities({ volumeId, volumeCapabilities: [block] });
    if (!no.confirmed) expect(no.message).not.toBe("");
    const unknown = validateVolumeCapabilities({ volumeId: "x", volumeCapabilities: [WRITER] });
    await expect(unknown).rejects.toEqual(refused(Status.NOT_FOUND));
  });

  it("ControllerExpandVolume grows, repeats, and never shrinks", async () => {
    const { volumeId } = await csi.create({ name: "v" });
    for (const requiredBytes of [5 * MIB, 5 * MIB, MIB]) {
      const capacityRange = { requiredBytes };
      const expanded = await csi.controller.controllerExpandVolume({ volumeId, capacityRange });
      expect(expanded.capacityBytes).toBeGreaterThanOrEqual(5 * MIB);
    }
  });
}

/** Snapshots and clones (CSI spec 1.12). */
export function snapshotRules(csi: CsiFixture): void {
  it("snapshots and clones have the content of their time", async () => {
    const volume = await csi.create({ name: "source" });
    await csi.publish(volume, "t");
    await writeFile(csi.path("t/file"), "before", { mode: 0o640 });
    const request = { sourceVolumeId: volume.volumeId, name: "snap" };
    const { snapshot } = await csi.controller.createSnapshot(request);
    expect((await csi.controller.createSnapshot(request)).snapshot).toEqual(snapshot);
    await writeFile(csi.path("t/file"), "after");
    const { snapshotId } = snapshot!;
    const sources = [{ snapshot: { snapshotId } }, { volume: { volumeId: volume.volumeId } }];
    const contents: string[] = [];
    for (const [i, volumeContentSource] of sources.entries()) {
      const copy = await csi.create({ name: `copy${i}`, volumeContentSource });
      await csi.publish(copy, `copy${i}`);
      contents.push(await readFile(csi.path(`copy${i}/file`), "utf8"));
      await csi.withdraw(copy, `copy${i}`);
    }
    expect(contents).toEqual(["before", "after"]);
    await csi.withdraw(volume, "t");
    const count = async () => (await csi.controller.listSnapshots({})).entries.length;
    if (csi.lists) expect(await count()).toBe(1);
    await csi.controller.deleteSnapshot({ snapshotId });
    await csi.controller.deleteSnapshot({ snapshotId });
    if (csi.lists) expect(await count()).toBe(0);
    const restored = csi.create({
      name: "gone",
      volumeContentSource: { snapshot: { snapshotId } },
    });
    await expect(restored).rejects.toEqual(refused(Status.NOT_FOUND));
  });
}
