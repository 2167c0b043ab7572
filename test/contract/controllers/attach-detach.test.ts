import { attachmentName } from "@raft2kube/client-kube/object/attachments.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttachTrial, DRIVER, LOCAL, TIMEOUT_MS } from "./attach-trial.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";
import { startWorld, type World } from "./world.ts";

const EBS = "ebs.csi.aws.com";
const NODES = ["n1", "n2", "lost", "gone"];

const CONTROLLERS = {
  "our attach-detach controller": { possible: true, servedOnly: true, start: () => startWorld() },
  "attach and detach by kube-controller-manager 1.36": {
    possible: hasUpstreamManagers(),
    // Upstream's attaches to every node whose kubelet migrates the volume's kind.
    servedOnly: false,
    start: () => startWorld({ startOthers: (others) => startUpstreamManagers(others) }),
  },
};

for (const [name, { possible, servedOnly, start }] of Object.entries(CONTROLLERS)) {
  describe.skipIf(!possible)(name, { timeout: 3 * TIMEOUT_MS }, () => {
    let world: World;
    let trial: AttachTrial;
    let kubelets: HollowKubelet[] = [];

    beforeAll(async () => {
      world = await start();
      kubelets = await Promise.all(NODES.map((each) => startHollowKubelet(world, each)));
      trial = new AttachTrial(world);
      await trial.start();
      for (const node of NODES) await trial.manage(node);
      await trial.serve("n1", EBS);
    }, 4 * TIMEOUT_MS);
    afterAll(async () => {
      await Promise.all(kubelets.map((each) => each.close()));
      await trial?.close();
      await world.close();
    }, TIMEOUT_MS);

    it("attaches the volume of a pod, and reports it in the node's status", async () => {
      await trial.volume("first", "ReadWriteOnce");
      await trial.pod("user", "first", "n1");
      await trial.untilAttached("first", "n1");
      const { metadata, spec } = (await trial.attachment("first", "n1"))!;
      expect(metadata.name).toBe(attachmentName(DRIVER, "handle-first", "n1"));
      const source = { persistentVolumeName: "first" };
      expect(spec).toEqual({ attacher: DRIVER, nodeName: "n1", source });
      const { message, source: from } = await trial.event("user", "SuccessfulAttachVolume");
      expect(message).toBe('AttachVolume.Attach succeeded for volume "first" ');
      expect(from?.component).toBe("attachdetach-controller");
    });

    it("detaches a volume only when its node has it in use no more", async () => {
      await trial.volume("used", "ReadWriteOnce");
      await trial.volume("idle", "ReadWriteOnce");
      await trial.pod("mounts", "used", "n1");
      await trial.pod("waits", "idle", "n1");
      await trial.untilAttached("used", "n1");
      await trial.untilAttached("idle", "n1");
      await trial.use("n1", "used");
      await trial.deletePod("mounts");
      await trial.deletePod("waits");
      await trial.untilDetached("idle", "n1");
      expect(await trial.isListed("idle", "n1")).toBe(false);
      expect(await trial.isAttached("used", "n1")).toBe(true);
      await trial.use("n1");
      await trial.untilDetached("used", "n1");
      expect(await trial.isListed("used", "n1")).toBe(false);
    });

    it("detaches a volume that is deleted while its node has it in use", async () => {
      await trial.volume("deleted", "ReadWriteOnce");
      await trial.pod("last", "deleted", "n1");
      await trial.untilAttached("deleted", "n1");
      await trial.use("n1", "deleted");
      await trial.deletePod("last");
      await trial.deleteVolume("deleted");
      expect(await trial.isAttached("deleted", "n1")).toBe(true);
      await trial.use("n1");
      await trial.untilDetached("deleted", "n1");
      expect(await trial.isListed("deleted", "n1")).toBe(false);
    });

    it("refuses a volume for one node that another has, until that is detached", async () => {
      await trial.volume("single", "ReadWriteOnce");
      await trial.pod("holder", "single", "n1");
      await trial.untilAttached("single", "n1");
      await trial.pod("other", "single", "n2");
      const { message } = await trial.event("other", "FailedAttachVolume");
      expect(message).toBe(
        'Multi-Attach error for volume "single" Volume is already used by pod(s) holder');
      expect(await trial.attachment("single", "n2")).toBeUndefined();
      await trial.deletePod("holder");
      await trial.untilAttached("single", "n2");
      expect(await trial.attachment("single", "n1")).toBeUndefined();
      expect([...trial.torn]).toEqual([]);
    });

    it("attaches a volume for many nodes to each, and none whose driver needs it not", async () => {
      await trial.volume("shared", "ReadWriteMany");
      await trial.volume("plain", "ReadWriteOnce", LOCAL);
      await trial.pod("plain", "plain", "n1");
      await trial.pod("reader", "shared", "n1");
      await trial.pod("writer", "shared", "n2");
      await trial.untilAttached("shared", "n1");
      await trial.untilAttached("shared", "n2");
      expect(trial.attached.get("plain")).toBeUndefined();
    });

    it("attaches volumes of in-tree kinds by their driver, claimed or not", async () => {
      await trial.inTree("vol-claimed", "vol-inline");
      for (const handle of ["vol-claimed", "vol-inline"]) {
        const { spec } = await trial.attachedBy(EBS, handle, "n1");
        expect(spec.attacher).toBe(EBS);
        const inline = spec.source.inlineVolumeSpec;
        expect([spec.source.persistentVolumeName, inline?.csi?.volumeHandle]).toEqual(
          handle === "vol-inline" ? [undefined, handle] : ["in-tree", undefined]);
      }
      await trial.deletePod("in-tree");
      for (const handle of ["vol-claimed", "vol-inline"]) {
        await trial.detachedBy(EBS, handle, "n1");
      }
    });

    it("attaches a volume that a pod names by none of another's PersistentVolumes", async () => {
      const volumeHandle = "vol-another";
      const controllerPublishSecretRef = { namespace: "other", name: "key" };
      await trial.released("another", {
        csi: { driver: EBS, volumeHandle, controllerPublishSecretRef },
      });
      await trial.inlinePod("names", "n1", [{ awsElasticBlockStore: { volumeID: volumeHandle } }]);
      const { spec } = await trial.attachedBy(EBS, volumeHandle, "n1");
      expect(spec.source.persistentVolumeName).toBeUndefined();
      const csi = spec.source.inlineVolumeSpec?.csi;
      expect([csi?.volumeHandle, csi?.controllerPublishSecretRef]).toEqual(
        [volumeHandle, undefined]);
      await trial.deletePod("names");
      await trial.detachedBy(EBS, volumeHandle, "n1");
    });

    it.runIf(servedOnly)("attaches no volume that a pod names to a node without its driver",
      async () => {
        const ids = Array.from({ length: 5_000 }, (_, at) => `c${at}`);
        await trial.inlinePod("many", "n2", [
          { awsElasticBlockStore: { volumeID: "vol-later" } },
          ...ids.map((volumeID) => ({ cinder: { volumeID } })),
        ]);
        // The queue is worked off in order.
        await trial.volume("after", "ReadWriteOnce");
        await trial.pod("after", "after", "n2");
        await trial.untilAttached("after", "n2");
        expect(await trial.attachmentsOf("cinder.csi.openstack.org")).toEqual([]);
        expect(await trial.attachmentsOf(EBS)).toEqual([]);
        await trial.serve("n2", EBS);
        await trial.attachedBy(EBS, "vol-later", "n2");
        await trial.deletePod("many");
        await trial.detachedBy(EBS, "vol-later", "n2");
      });

    it("tells a pod why its volume is not attached", async () => {
      trial.failing.set("broken", "rpc error: code = Internal desc = no disk");
      await trial.volume("broken", "ReadWriteOnce");
      await trial.pod("unlucky", "broken", "n1");
      const { message } = await trial.event("unlucky", "FailedAttachVolume");
      expect(message).toBe(
        'AttachVolume.Attach failed for volume "broken" : ' +
          "rpc error: code = Internal desc = no disk");
      expect(await trial.isListed("broken", "n1")).toBe(false);
      await trial.deletePod("unlucky");
      // Upstream's takes the volume for mounted until the node's status changes.
      await trial.use("n1", "broken");
      await trial.use("n1");
      await trial.untilDetached("broken", "n1");
    });

    it("detaches at once from a node that is out of service, used or not", async () => {
      await trial.volume("stuck", "ReadWriteOnce");
      await trial.pod("victim", "stuck", "lost");
      await trial.untilAttached("stuck", "lost");
      await trial.use("lost", "stuck");
      await trial.taint("lost");
      await trial.deletePod("victim");
      await trial.untilDetached("stuck", "lost");
    });

    it("detaches from a node that is gone, when it had not used the volume", async () => {
      await trial.volume("left", "ReadWriteOnce");
      await trial.pod("orphan", "left", "gone");
      await trial.untilAttached("left", "gone");
      await trial.deleteNode("gone");
      await trial.deletePod("orphan");
      await trial.untilDetached("left", "gone");
    });
  });
}
