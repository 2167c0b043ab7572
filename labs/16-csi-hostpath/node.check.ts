import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MountFlag, mount } from "@raft2kube/linux/mount/mount.ts";
import { VolumeCapability_AccessMode_Mode as Mode, type Volume } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { capability, MIB } from "../csi-driver.ts";
import {
  hasOneTargetPath,
  keepsVolumesInUse,
  leavesForeignMounts,
  publishesAgain,
} from "../csi-rules.ts";
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

check("publish: a copy has its source's files, and is a volume of its own", () =>
  withDriver(async (driver) => {
    const source = await driver.create({ name: "a" });
    await driver.publish(source, "pod-1");
    await driver.write("pod-1/file", "first");
    const { volumeId } = source;
    const copy = await driver.create({ name: "b", volumeContentSource: { volume: { volumeId } } });
    await driver.write("pod-1/file", "second");
    await driver.publish(copy, "pod-2");
    const text = await readFile(driver.path("pod-2/file"), "utf8").catch(() => "no file");
    mustEqual(text, "first", {
      when: "a file of the source, read in its copy, after it was written again in the source",
      why: "a clone is the source's content at one moment, and nothing later",
    });
  }),
);

const BLOCK = { block: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
const flagged = (...mountFlags: string[]) => ({
  mount: { mountFlags },
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
});

check("stage, publish: mount flags and access type are those of the volume", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    const call = driver.calls(volume, "pod-1");
    await mkdir(call.stagingTargetPath);
    const asBlock = { ...call, volumeCapability: BLOCK };
    const why = "the pod would find a folder where it opens a device";
    await mustRefuse(driver.node.nodeStageVolume(asBlock), Status.INVALID_ARGUMENT, {
      when: "NodeStageVolume of a volume with a file system, as a block device",
      why,
    });
    const readOnly = { ...call, volumeCapability: flagged("ro") };
    for (let i = 0; i < 2; i++) {
      await mustPass(driver.node.nodeStageVolume(readOnly), {
        when: "NodeStageVolume with the mount flag ro, twice",
        expected: "success",
        why: "the kubelet repeats it after a restart",
      });
    }
    mustEqual(await driver.write(`staging-${volume.volumeId}/file`, "x"), "EROFS", {
      when: "a write at the staging path that was staged with the mount flag ro",
      why: "the kernel must refuse it: the administrator asked for that",
    });
    await driver.node.nodeUnstageVolume(call);
    await driver.stage(volume);
    await mustRefuse(driver.node.nodePublishVolume(asBlock), Status.INVALID_ARGUMENT, {
      when: "NodePublishVolume of a volume with a file system, as a block device",
      why,
    });
    const writable = { ...call, volumeCapability: flagged("rw") };
    await mustPass(driver.node.nodePublishVolume(writable), {
      when: "NodePublishVolume with the mount flag rw",
      expected: "success",
      why: "rw is the kernel's default",
    });
    const both = { ...writable, targetPath: driver.path("pod-2"), readonly: true };
    await driver.node.nodePublishVolume(both);
    mustEqual(await driver.write("pod-2/file", "x"), "EROFS", {
      when: "a write to a path that it was published at read-only, with the mount flag rw",
      why: "readonly is the pod's wish, the flag the administrator's: the stricter counts",
    });
    const file = driver.path("file");
    await writeFile(file, "");
    const onFile = { ...call, stagingTargetPath: file };
    await mustRefuse(driver.node.nodeStageVolume(onFile), Status.FAILED_PRECONDITION, {
      when: "NodeStageVolume at a path that is a file",
      why: "the caller makes the directory: a file is another program's",
    });
  }),
);

check("publish: a volume that is too full is read-only until it has grown", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod-1");
    await driver.write("pod-1/file", "x".repeat(2 * MIB));
    const full = driver.node.nodePublishVolume(driver.calls(volume, "pod-2"));
    await mustRefuse(full, Status.RESOURCE_EXHAUSTED, {
      when: "NodePublishVolume of a volume of 1 MiB that holds 2",
      why: "nothing else bounds a directory: one volume would fill the node's disk",
    });
    const readOnly = { ...driver.calls(volume, "pod-2"), readonly: true };
    await mustPass(driver.node.nodePublishVolume(readOnly), {
      when: "the same, read-only",
      expected: "success",
      why: "its files can still be saved",
    });
  }),
);

check("publish: an ephemeral volume is made with the pod, and needs no staging", () =>
  withDriver(async (driver) => {
    const volumeContext = { "csi.storage.k8s.io/ephemeral": "true" };
    const volumeId = `csi-${"a".repeat(64)}`;
    const call = { ...driver.calls({ volumeId } as Volume, "pod-1"), volumeContext };
    const publish = driver.node.nodePublishVolume({ ...call, stagingTargetPath: "" });
    await mustPass(publish, {
      when: "NodePublishVolume with csi.storage.k8s.io/ephemeral, and no staging path",
      expected: "success",
      why: "nobody calls CreateVolume or NodeStageVolume for an inline volume of a pod",
    });
    mustEqual(await driver.write("pod-1/file", "x"), "", { when: "a write to it", why: "scratch" });
    await driver.node.nodeUnpublishVolume(call);
    mustEqual(driver.mounts(), [], { when: "unpublished; mounts", why: "the pod has ended" });
  }),
);

check("stage, publish: again is the same mount; in another way is refused", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await publishesAgain(
      driver,
      volume,
      {
        mounts: 2,
        when: "staged and published three times",
        why: "a stacked mount survives one unmount: the volume could not be deleted",
      },
      {
        "the access mode SINGLE_NODE_READER_ONLY": capability(Mode.SINGLE_NODE_READER_ONLY),
        "the mount flag ro": flagged("ro"),
      },
    );
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
      when: "NodePublishVolume of a volume that is not staged",
      why,
    });
    await mustRefuse(node.nodePublishVolume({ ...call, volumeId: "no" }), Status.NOT_FOUND, {
      when: "NodePublishVolume of an unknown volume",
      why: "CSI spec, NodePublishVolume errors",
    });
    await mustRefuse(node.nodeStageVolume({ ...call, volumeId: "no" }), Status.NOT_FOUND, {
      when: "NodeStageVolume of an unknown volume",
      why: "CSI spec, NodeStageVolume errors",
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
    const gone = { ...driver.calls(volume, "gone/pod-1") };
    await mustPass(driver.node.nodeUnpublishVolume(gone), {
      when: "NodeUnpublishVolume at a path whose folder is gone",
      expected: "success",
      why: "the pod's folder was removed already: nothing can be mounted there",
    });
    await driver.stage(volume);
    await leavesForeignMounts(driver, volume);
  }),
);

check("a volume in use is not deleted", () => withDriver(keepsVolumesInUse));

check("a volume in which something is mounted is not deleted", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod-1");
    await driver.unpublish(volume, "pod-1");
    const inside = join(driver.path("data/volumes"), volume.volumeId, "inside");
    await mkdir(inside, { recursive: true });
    mount({ source: "tmpfs", target: inside, type: "tmpfs", flags: MountFlag.nodev });
    const { volumeId } = volume;
    await mustRefuse(driver.controller.deleteVolume({ volumeId }), Status.FAILED_PRECONDITION, {
      when: "DeleteVolume while something is mounted inside of the volume's directory",
      why: "deleting through a mount deletes the files of another file system",
    });
  }),
);

check("SINGLE_NODE_SINGLE_WRITER: one target path", () =>
  withDriver((driver) => hasOneTargetPath(driver, (volume) => driver.stage(volume))),
);
