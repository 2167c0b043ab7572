import { mkdir, readFile, stat } from "node:fs/promises";
import { MountFlag, mount } from "@raft2kube/linux/mount.ts";
import { VolumeCapability_AccessMode_Mode as Mode } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { capability } from "../csi-driver.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { withDriver } from "./driver.ts";

check("publish: the pod sees the volume, and its data outlive pod and driver", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod-1");
    mustEqual(driver.mounts().length, 2, {
      when: "staged and published; mounts in the kernel",
      why: "one at the staging path, one at the pod's: without a mount the pod writes to the node",
    });
    await driver.write("pod-1/file", "kept");
    await driver.unpublish(volume, "pod-1");
    mustEqual(driver.mounts(), [], {
      when: "unpublished and unstaged; mounts in the kernel",
      why: "the kubelet deletes the pod's folder next: through a mount it would delete the data",
    });
    const left = await stat(driver.path("pod-1")).catch(() => undefined);
    judge(left === undefined, {
      when: "unpublished; the target path",
      expected: "gone",
      happened: "a directory",
      why: "NodePublishVolume made it, so NodeUnpublishVolume removes it",
    });
    await driver.restart();
    await driver.publish(volume, "pod-2");
    const text = await readFile(driver.path("pod-2/file"), "utf8").catch(() => "no file");
    mustEqual(text, "kept", {
      when: "a file written by pod 1, read by pod 2 after a restart of the driver",
      why: "that is what a volume is for",
    });
  }),
);

check("stage, publish: again is the same mount; in another way is refused", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    for (let i = 0; i < 3; i++) await driver.publish(volume, "pod-1");
    mustEqual(driver.mounts().length, 2, {
      when: "staged and published three times; mounts in the kernel",
      why: "a stacked mount survives one unmount: the volume could not be deleted",
    });
    const again = { ...driver.calls(volume, "pod-1"), readonly: true };
    await mustRefuse(driver.node.nodePublishVolume(again), Status.ALREADY_EXISTS, {
      when: "it is published writable at this path, and wanted read-only",
      why: "success would say that it is read-only",
    });
    const mode = Mode.SINGLE_NODE_WRITER;
    const readOnly = [
      ["pod-2", "readonly", { readonly: true }],
      ["pod-3", "the access mode SINGLE_NODE_READER_ONLY",
        { volumeCapability: capability(Mode.SINGLE_NODE_READER_ONLY) }],
      ["pod-4", "the mount flag ro",
        { volumeCapability: { mount: { mountFlags: ["ro"] }, accessMode: { mode } } }],
    ] as const;
    for (const [pod, how, request] of readOnly) {
      await driver.node.nodePublishVolume({ ...driver.calls(volume, pod), ...request });
      mustEqual(await driver.write(`${pod}/file`, "x"), "EROFS", {
        when: `a write to a path that it was published at with ${how}`,
        why: "the kernel must refuse it; the pod's own good will is no protection",
      });
    }
  }),
);

check("publish: refused unless the volume exists and is staged", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    const call = driver.calls(volume, "pod-1");
    await mkdir(call.stagingTargetPath);
    const why = "the kubelet stages first; a caller that does not would get an empty directory";
    const { node } = driver;
    await mustRefuse(node.nodePublishVolume(call), Status.FAILED_PRECONDITION, {
      when: "NodePublishVolume of a volume that is not staged", why,
    });
    await mustRefuse(node.nodePublishVolume({ ...call, volumeId: "no" }), Status.NOT_FOUND, {
      when: "NodePublishVolume of an unknown volume", why: "CSI spec, NodePublishVolume errors",
    });
    await mustRefuse(node.nodeStageVolume({ ...call, volumeId: "no" }), Status.NOT_FOUND, {
      when: "NodeStageVolume of an unknown volume", why: "CSI spec, NodeStageVolume errors",
    });
    mustEqual(driver.mounts(), [], { when: "after these; mounts in the kernel", why });
  }),
);

check("unpublish, unstage: again is success; what is not ours is left alone", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod-1");
    for (let i = 0; i < 3; i++) {
      await mustPass(driver.unpublish(volume, "pod-1"), {
        when: "NodeUnpublishVolume and NodeUnstageVolume, three times",
        expected: "success",
        why: "the kubelet repeats them until they succeed; until then the pod stays",
      });
    }
    await driver.stage(volume);
    const foreign = driver.path("foreign");
    await mkdir(foreign);
    mount({ source: "tmpfs", target: foreign, type: "tmpfs", flags: MountFlag.nodev });
    const call = { ...driver.calls(volume, "foreign") };
    await mustRefuse(driver.node.nodeUnpublishVolume(call), Status.INTERNAL, {
      when: "NodeUnpublishVolume at a path where something else is mounted",
      why: "unmounting what another program mounted destroys its data",
    });
    await mustRefuse(driver.node.nodePublishVolume(call), Status.FAILED_PRECONDITION, {
      when: "NodePublishVolume at a path where something else is mounted",
      why: "the pod would see that, and not its volume",
    });
    judge(driver.mounts().includes("foreign"), {
      when: "after these; the other mount",
      expected: "still there",
      happened: "unmounted",
      why: "it may be another pod's",
    });
  }),
);

check("a volume in use is not deleted", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod-1");
    await driver.write("pod-1/file", "precious");
    const { volumeId } = volume;
    const used = driver.controller.deleteVolume({ volumeId });
    await mustRefuse(used, Status.FAILED_PRECONDITION, {
      when: "DeleteVolume while a pod has it mounted",
      why: "the claim was deleted too early: the pod must not lose its files under its hands",
    });
    const text = await readFile(driver.path("pod-1/file"), "utf8").catch(() => "no file");
    mustEqual(text, "precious", { when: "the pod's file after that", why: "it is in use" });
    await driver.unpublish(volume, "pod-1");
    await mustPass(driver.controller.deleteVolume({ volumeId }), {
      when: "DeleteVolume after the pod",
      expected: "success",
      why: "otherwise the PV stays Released for ever",
    });
  }),
);

check("SINGLE_NODE_SINGLE_WRITER: one target path", () =>
  withDriver(async (driver) => {
    const volumeCapability = capability(Mode.SINGLE_NODE_SINGLE_WRITER);
    const volume = await driver.create({ name: "a", volumeCapabilities: [volumeCapability] });
    await driver.stage(volume);
    const publish = (target: string) =>
      driver.node.nodePublishVolume({ ...driver.calls(volume, target), volumeCapability });
    await publish("pod-1");
    const why = "ReadWriteOncePod: the second pod must not start while the first writes";
    await mustPass(publish("pod-1"), { when: "again at its path", expected: "success", why });
    await mustRefuse(publish("pod-2"), Status.FAILED_PRECONDITION, {
      when: "NodePublishVolume at a second path", why,
    });
  }),
);
