import type { Init } from "@raft2kube/proto/codec.ts";
import type { CreateVolumeRequest } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { expect, it } from "vitest";
import { type CsiFixture, MIB, refused } from "./fixture.ts";

/** CreateVolume and DeleteVolume (CSI spec 1.12). */
export function createVolumeRules(csi: CsiFixture): void {
  it("CreateVolume is idempotent by name, and refuses another size or source", async () => {
    const first = await csi.create({ name: "one" });
    const isUnknown = csi.isForeign && first.capacityBytes === 0;
    if (!isUnknown) expect(first.capacityBytes).toBeGreaterThanOrEqual(MIB);
    expect((await csi.create({ name: "one" })).volumeId).toBe(first.volumeId);
    const larger = csi.create({ name: "one", capacityRange: { requiredBytes: 50 * 1024 * MIB } });
    await expect(larger).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    const { volumeId } = await csi.create({ name: "other" });
    const cloned = csi.create({ name: "one", volumeContentSource: { volume: { volumeId } } });
    await expect(cloned).rejects.toEqual(refused(Status.ALREADY_EXISTS));
  });

  it("CreateVolume gives one volume to two callers at once, or sends one away", async () => {
    const both = [csi.create({ name: "x" }), csi.create({ name: "x" })];
    const results = await Promise.allSettled(both);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toEqual(refused(Status.ABORTED));
    }
    const volumes = results.filter((result) => result.status === "fulfilled");
    expect(new Set(volumes.map((result) => result.value.volumeId)).size).toBe(1);
  });

  it("CreateVolume refuses what is missing, too long, negative or impossible", async () => {
    const cases: [Init<CreateVolumeRequest> & { name: string }, number][] = [
      [{ name: "" }, Status.INVALID_ARGUMENT],
      [{ name: "x".repeat(129) }, Status.INVALID_ARGUMENT],
      [{ name: "a", volumeCapabilities: [] }, Status.INVALID_ARGUMENT],
      [{ name: "b", volumeCapabilities: [{ mount: {} }] }, Status.INVALID_ARGUMENT],
      [{ name: "c", capacityRange: { requiredBytes: -1 } }, Status.INVALID_ARGUMENT],
      [{ name: "d", capacityRange: { requiredBytes: 2, limitBytes: 1 } }, Status.OUT_OF_RANGE],
      [{ name: "e", volumeContentSource: {} }, Status.INVALID_ARGUMENT],
    ];
    for (const [request, status] of cases) {
      await expect(csi.create(request), request.name).rejects.toEqual(refused(status));
    }
    if (csi.lists) expect((await csi.controller.listVolumes({})).entries).toEqual([]);
  });

  it("DeleteVolume succeeds for what was deleted or never was", async () => {
    const { volumeId } = await csi.create({ name: "gone" });
    await csi.controller.deleteVolume({ volumeId });
    await csi.controller.deleteVolume({ volumeId });
    for (const id of ["never", "../volumes", "/etc", "__proto__", "constructor"]) {
      await csi.controller.deleteVolume({ volumeId: id });
      if (!csi.getsVolumes) continue;
      const got = csi.controller.controllerGetVolume({ volumeId: id });
      await expect(got, id).rejects.toEqual(refused(Status.NOT_FOUND));
    }
  });
}
