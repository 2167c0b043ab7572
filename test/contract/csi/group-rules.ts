import { readFile, writeFile } from "node:fs/promises";
import { Status } from "@raft2kube/rpc/error.ts";
import { expect, it } from "vitest";
import { type CsiFixture, refused } from "./fixture.ts";

/** Group snapshots (CSI spec 1.12, GroupController service). */
export function groupRules(csi: CsiFixture): void {
  it("a group snapshot has the content of all its volumes, and goes as a whole", async () => {
    const volumes = [await csi.create({ name: "g1" }), await csi.create({ name: "g2" })];
    for (const { volumeId } of volumes) {
      await csi.publish(volumes.find((each) => each.volumeId === volumeId)!, volumeId);
      await writeFile(csi.path(`${volumeId}/file`), `of ${volumeId}`);
    }
    const sourceVolumeIds = volumes.map(({ volumeId }) => volumeId);
    const request = { name: "group", sourceVolumeIds };
    const { groupSnapshot } = await csi.group.createVolumeGroupSnapshot(request);
    expect((await csi.group.createVolumeGroupSnapshot(request)).groupSnapshot).toEqual(
      groupSnapshot,
    );
    const { groupSnapshotId, snapshots, readyToUse } = groupSnapshot!;
    expect(readyToUse).toBe(true);
    expect(snapshots.map((each) => each.groupSnapshotId)).toEqual(Array(2).fill(groupSnapshotId));
    expect(snapshots.map((each) => each.sourceVolumeId).sort()).toEqual(sourceVolumeIds.toSorted());
    for (const { snapshotId, sourceVolumeId } of snapshots) {
      const volumeContentSource = { snapshot: { snapshotId } };
      const copy = await csi.create({ name: `copy-${snapshotId}`, volumeContentSource });
      await csi.publish(copy, "copy");
      expect(await readFile(csi.path("copy/file"), "utf8")).toBe(`of ${sourceVolumeId}`);
      await csi.withdraw(copy, "copy");
      const alone = csi.controller.deleteSnapshot({ snapshotId });
      await expect(alone).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    }
    const snapshotIds = snapshots.map(({ snapshotId }) => snapshotId);
    const group = { groupSnapshotId, snapshotIds };
    const less = csi.group.getVolumeGroupSnapshot({ ...group, snapshotIds: ["other"] });
    await expect(less).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await csi.stop();
    await csi.start();
    expect((await csi.group.getVolumeGroupSnapshot(group)).groupSnapshot).toEqual(groupSnapshot);
    await csi.group.deleteVolumeGroupSnapshot(group);
    await csi.group.deleteVolumeGroupSnapshot(group);
    expect((await csi.controller.listSnapshots({})).entries).toEqual([]);
    const gone = csi.group.getVolumeGroupSnapshot(group);
    await expect(gone).rejects.toEqual(refused(Status.NOT_FOUND));
    for (const volume of volumes) await csi.withdraw(volume, volume.volumeId);
  });

  it("a group snapshot's name stands for its volumes; unknown volumes are not found", async () => {
    const { volumeId } = await csi.create({ name: "g1" });
    const other = await csi.create({ name: "g2" });
    const { createVolumeGroupSnapshot } = csi.group;
    await createVolumeGroupSnapshot({ name: "group", sourceVolumeIds: [volumeId] });
    const cases: [string, string[], number][] = [
      ["group", [volumeId, other.volumeId], Status.ALREADY_EXISTS],
      ["other", [volumeId, "unknown"], Status.NOT_FOUND],
      ["other", [], Status.INVALID_ARGUMENT],
      ["", [volumeId], Status.INVALID_ARGUMENT],
    ];
    for (const [name, sourceVolumeIds, status] of cases) {
      const created = createVolumeGroupSnapshot({ name, sourceVolumeIds });
      await expect(created).rejects.toEqual(refused(status));
    }
    expect((await csi.controller.listSnapshots({})).entries).toHaveLength(1);
  });
}
