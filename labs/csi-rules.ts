import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { MountFlag, mount } from "@raft2kube/linux/mount/mount.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  VolumeCapability_AccessMode_Mode as Mode,
  type NodePublishVolumeRequest,
  type NodeUnpublishVolumeRequest,
  type Volume,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { capability, type ServedDriver } from "./csi-driver.ts";
import { judge } from "./judge.ts";
import { mustEqual, mustPass } from "./must.ts";
import { mustRefuse } from "./rpc-calls.ts";

/** The callers of a CSI driver, as each lab with one has them. */
interface Driver extends ServedDriver {
  create(request: Init<CreateVolumeRequest> & { name: string }): Promise<Volume>;
  calls(
    volume: Volume,
    target: string,
  ): Init<NodePublishVolumeRequest> & Init<NodeUnpublishVolumeRequest>;
  publish(volume: Volume, target: string): Promise<void>;
  unpublish(volume: Volume, target: string): Promise<void>;
}

/** Publishes a volume three times at `pod-1`, and read-only at others. */
export async function publishesAgain(
  driver: Driver,
  volume: Volume,
  { mounts, when, why }: { mounts: number; when: string; why: string },
  readOnly: Readonly<Record<string, Init<VolumeCapability>>>,
): Promise<void> {
  for (let i = 0; i < 3; i++) await driver.publish(volume, "pod-1");
  mustEqual(driver.mounts().length, mounts, { when: `${when}; mounts in the kernel`, why });
  const again = { ...driver.calls(volume, "pod-1"), readonly: true };
  await mustRefuse(driver.node.nodePublishVolume(again), Status.ALREADY_EXISTS, {
    when: "it is published writable at this path, and wanted read-only",
    why: "success would say that it is read-only",
  });
  const capabilities = Object.entries(readOnly).map(([how, volumeCapability]) => {
    return [how, { volumeCapability }] as const;
  });
  const requests = [["readonly", { readonly: true }] as const, ...capabilities];
  for (const [at, [how, request]] of requests.entries()) {
    const pod = `pod-${at + 2}`;
    await driver.node.nodePublishVolume({ ...driver.calls(volume, pod), ...request });
    mustEqual(await driver.write(`${pod}/file`, "x"), "EROFS", {
      when: `a write to a path that it was published at with ${how}`,
      why: "the kernel must refuse it; the pod's own good will is no protection",
    });
  }
}

/** Publishes and unpublishes a volume at a path where another program has mounted something. */
export async function leavesForeignMounts(driver: Driver, volume: Volume): Promise<void> {
  const target = driver.path("foreign");
  mkdirSync(target);
  mount({ source: "tmpfs", target, type: "tmpfs", flags: MountFlag.nodev });
  const call = driver.calls(volume, "foreign");
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
}

/** Deletes a volume while a pod has it mounted, and afterwards. */
export async function keepsVolumesInUse(driver: Driver): Promise<void> {
  const volume = await driver.create({ name: "a" });
  await driver.publish(volume, "pod-1");
  await driver.write("pod-1/file", "precious");
  const { volumeId } = volume;
  await mustRefuse(driver.controller.deleteVolume({ volumeId }), Status.FAILED_PRECONDITION, {
    when: "DeleteVolume while a pod of this node has it mounted",
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
}

/** Publishes a volume of one writer at a second path; `stage` is called before. */
export async function hasOneTargetPath(
  driver: Driver,
  stage: (volume: Volume) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const volumeCapability = capability(Mode.SINGLE_NODE_SINGLE_WRITER);
  const volume = await driver.create({ name: "a", volumeCapabilities: [volumeCapability] });
  await stage(volume);
  const publish = (target: string) =>
    driver.node.nodePublishVolume({ ...driver.calls(volume, target), volumeCapability });
  await publish("pod-1");
  const why = "ReadWriteOncePod: the second pod must not start while the first writes";
  await mustPass(publish("pod-1"), { when: "again at its path", expected: "success", why });
  await mustRefuse(publish("pod-2"), Status.FAILED_PRECONDITION, {
    when: "NodePublishVolume at a second path",
    why,
  });
}
