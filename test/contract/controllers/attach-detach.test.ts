import { attachmentName } from "@raft2kube/client-kube/object/attachments.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttachFixture, DRIVER, LOCAL, TIMEOUT_MS } from "./attach-fixture.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";

const EBS = "ebs.csi.aws.com";
const NODES = ["n1", "n2", "lost", "gone"];

const CONTROLLERS = {
  "our attach-detach controller": {
    possible: true,
    servedOnly: true,
    start: () => startControlPlane(),
  },
  "attach and detach by kube-controller-manager 1.36": {
    possible: hasUpstreamManagers(),
    // Upstream's attaches to every node whose kubelet migrates the volume's kind.
    servedOnly: false,
    start: () => startControlPlane({ startOthers: (others) => startUpstreamManagers(others) }),
  },
};

for (const [name, { possible, servedOnly, start }] of Object.entries(CONTROLLERS)) {
  describe.skipIf(!possible)(name, { timeout: 3 * TIMEOUT_MS }, () => {
    let plane: ControlPlane;
    let fixture: AttachFixture;
    let kubelets: HollowKubelet[] = [];

    beforeAll(async () => {
      plane = await start();
      kubelets = await Promise.all(NODES.map((each) => startHollowKubelet(plane, each)));
      fixture = new AttachFixture(plane);
      await fixture.start();
      for (const node of NODES) await fixture.manage(node);
      await fixture.serve("n1", EBS);
    }, 4 * TIMEOUT_MS);
    afterAll(async () => {
      await Promise.all(kubelets.map((each) => each.close()));
      await fixture?.close();
      await plane.close();
    }, TIMEOUT_MS);

    it("attaches the volume of a pod, and reports it in the node's status", async () => {
      await fixture.volume("first", "ReadWriteOnce");
      await fixture.pod("user", "first", "n1");
      await fixture.untilAttached("first", "n1");
      const { metadata, spec } = (await fixture.attachment("first", "n1"))!;
      expect(metadata.name).toBe(attachmentName(DRIVER, "handle-first", "n1"));
      const source = { persistentVolumeName: "first" };
      expect(spec).toEqual({ attacher: DRIVER, nodeName: "n1", source });
      const { message, source: from } = await fixture.event("user", "SuccessfulAttachVolume");
      expect(message).toBe('AttachVolume.Attach succeeded for volume "first" ');
      expect(from?.component).toBe("attachdetach-controller");
    });

    it("detaches a volume only when its node has it in use no more", async () => {
      await fixture.volume("used", "ReadWriteOnce");
      await fixture.volume("idle", "ReadWriteOnce");
      await fixture.pod("mounts", "used", "n1");
      await fixture.pod("waits", "idle", "n1");
      await fixture.untilAttached("used", "n1");
      await fixture.untilAttached("idle", "n1");
      await fixture.use("n1", "used");
      await fixture.deletePod("mounts");
      await fixture.deletePod("waits");
      await fixture.untilDetached("idle", "n1");
      expect(await fixture.isListed("idle", "n1")).toBe(false);
      expect(await fixture.isAttached("used", "n1")).toBe(true);
      await fixture.use("n1");
      await fixture.untilDetached("used", "n1");
      expect(await fixture.isListed("used", "n1")).toBe(false);
    });

    it("detaches a volume that is deleted while its node has it in use", async () => {
      await fixture.volume("deleted", "ReadWriteOnce");
      await fixture.pod("last", "deleted", "n1");
      await fixture.untilAttached("deleted", "n1");
      await fixture.use("n1", "deleted");
      await fixture.deletePod("last");
      await fixture.deleteVolume("deleted");
      expect(await fixture.isAttached("deleted", "n1")).toBe(true);
      await fixture.use("n1");
      await fixture.untilDetached("deleted", "n1");
      expect(await fixture.isListed("deleted", "n1")).toBe(false);
    });

    it("refuses a volume for one node that another has, until that is detached", async () => {
      await fixture.volume("single", "ReadWriteOnce");
      await fixture.pod("holder", "single", "n1");
      await fixture.untilAttached("single", "n1");
      await fixture.pod("other", "single", "n2");
      const { message } = await fixture.event("other", "FailedAttachVolume");
      expect(message).toBe(
        'Multi-Attach error for volume "single" Volume is already used by pod(s) holder',
      );
      expect(await fixture.attachment("single", "n2")).toBeUndefined();
      await fixture.deletePod("holder");
      await fixture.untilAttached("single", "n2");
      expect(await fixture.attachment("single", "n1")).toBeUndefined();
      expect([...fixture.torn]).toEqual([]);
    });

    it("attaches a volume for many nodes to each, and none whose driver needs it not", async () => {
      await fixture.volume("shared", "ReadWriteMany");
      await fixture.volume("plain", "ReadWriteOnce", LOCAL);
      await fixture.pod("plain", "plain", "n1");
      await fixture.pod("reader", "shared", "n1");
      await fixture.pod("writer", "shared", "n2");
      await fixture.untilAttached("shared", "n1");
      await fixture.untilAttached("shared", "n2");
      expect(fixture.attached.get("plain")).toBeUndefined();
    });

    it("attaches volumes of in-tree kinds by their driver, claimed or not", async () => {
      await fixture.inTree("vol-claimed", "vol-inline");
      for (const handle of ["vol-claimed", "vol-inline"]) {
        const { spec } = await fixture.attachedBy(EBS, handle, "n1");
        expect(spec.attacher).toBe(EBS);
        const inline = spec.source.inlineVolumeSpec;
        expect([spec.source.persistentVolumeName, inline?.csi?.volumeHandle]).toEqual(
          handle === "vol-inline" ? [undefined, handle] : ["in-tree", undefined],
        );
      }
      await fixture.deletePod("in-tree");
      for (const handle of ["vol-claimed", "vol-inline"]) {
        await fixture.detachedBy(EBS, handle, "n1");
      }
    });

    it("attaches a volume that a pod names by none of another's PersistentVolumes", async () => {
      const volumeHandle = "vol-another";
      const controllerPublishSecretRef = { namespace: "other", name: "key" };
      await fixture.released("another", {
        csi: { driver: EBS, volumeHandle, controllerPublishSecretRef },
      });
      const awsElasticBlockStore = { volumeID: volumeHandle };
      await fixture.inlinePod("names", "n1", [{ awsElasticBlockStore }]);
      const { spec } = await fixture.attachedBy(EBS, volumeHandle, "n1");
      expect(spec.source.persistentVolumeName).toBeUndefined();
      const csi = spec.source.inlineVolumeSpec?.csi;
      expect([csi?.volumeHandle, csi?.controllerPublishSecretRef]).toEqual([
        volumeHandle,
        undefined,
      ]);
      await fixture.deletePod("names");
      await fixture.detachedBy(EBS, volumeHandle, "n1");
    });

    it.runIf(servedOnly)(
      "attaches no volume that a pod names to a node without its driver",
      async () => {
        const ids = Array.from({ length: 990 }, (_, at) => `c${at}`);
        await fixture.inlinePod("many", "n2", [
          { awsElasticBlockStore: { volumeID: "vol-later" } },
          ...ids.map((volumeID) => ({ cinder: { volumeID } })),
        ]);
        // The queue is worked off in order.
        await fixture.volume("after", "ReadWriteOnce");
        await fixture.pod("after", "after", "n2");
        await fixture.untilAttached("after", "n2");
        expect(await fixture.attachmentsOf("cinder.csi.openstack.org")).toEqual([]);
        expect(await fixture.attachmentsOf(EBS)).toEqual([]);
        await fixture.serve("n2", EBS);
        await fixture.attachedBy(EBS, "vol-later", "n2");
        await fixture.deletePod("many");
        await fixture.detachedBy(EBS, "vol-later", "n2");
      },
    );

    it("tells a pod why its volume is not attached", async () => {
      fixture.failing.set("broken", "rpc error: code = Internal desc = no disk");
      await fixture.volume("broken", "ReadWriteOnce");
      await fixture.pod("unlucky", "broken", "n1");
      const { message } = await fixture.event("unlucky", "FailedAttachVolume");
      expect(message).toBe(
        'AttachVolume.Attach failed for volume "broken" : ' +
          "rpc error: code = Internal desc = no disk",
      );
      expect(await fixture.isListed("broken", "n1")).toBe(false);
      await fixture.deletePod("unlucky");
      // Upstream's takes the volume for mounted until the node's status changes.
      await fixture.use("n1", "broken");
      await fixture.use("n1");
      await fixture.untilDetached("broken", "n1");
    });

    it("detaches at once from a node that is out of service, used or not", async () => {
      await fixture.volume("stuck", "ReadWriteOnce");
      await fixture.pod("victim", "stuck", "lost");
      await fixture.untilAttached("stuck", "lost");
      await fixture.use("lost", "stuck");
      await fixture.taint("lost");
      await fixture.deletePod("victim");
      await fixture.untilDetached("stuck", "lost");
    });

    it("detaches from a node that is gone, when it had not used the volume", async () => {
      await fixture.volume("left", "ReadWriteOnce");
      await fixture.pod("orphan", "left", "gone");
      await fixture.untilAttached("left", "gone");
      await fixture.deleteNode("gone");
      await fixture.deletePod("orphan");
      await fixture.untilDetached("left", "gone");
    });
  });
}
