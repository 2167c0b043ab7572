import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  VolumeCapability_AccessMode_Mode as Mode,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { capability, MIB, ServedDriver } from "../csi-driver.ts";
import { judgeCalls } from "../rpc-calls.ts";

export const NODE = "node-1";
export const WRITER = capability(Mode.SINGLE_NODE_WRITER);

/** Volumes are directories: that is the same for every call, and faster than images. */
export class OwnDriver extends ServedDriver {
  protected serve(socket: string) {
    const [dataDir, clock] = [this.path("data"), systemClock()];
    return startHostPathDriver({ socket, dataDir, nodeId: NODE, clock, form: "directory" });
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async create(request: Init<CreateVolumeRequest> & { name: string }): Promise<Volume> {
    const { volume } = await this.controller.createVolume({
      volumeCapabilities: [WRITER],
      capacityRange: { requiredBytes: MIB },
      ...request,
    });
    return volume!;
  }

  /** The node's calls for this volume; `target` is a pod's folder for it. */
  calls({ volumeId }: Volume, target: string) {
    const stagingTargetPath = this.path(`staging-${volumeId}`);
    return { volumeId, stagingTargetPath, targetPath: this.path(target), volumeCapability: WRITER };
  }

  async stage(volume: Volume): Promise<void> {
    const call = this.calls(volume, "");
    await mkdir(call.stagingTargetPath, { recursive: true });
    await this.node.nodeStageVolume(call);
  }

  /** Stages and publishes, as the kubelet does for a pod. */
  async publish(volume: Volume, target: string): Promise<void> {
    await this.stage(volume);
    await this.node.nodePublishVolume(this.calls(volume, target));
  }

  /** Unpublishes and unstages, as the kubelet does when the pod is gone. */
  async unpublish(volume: Volume, target: string): Promise<void> {
    await this.node.nodeUnpublishVolume(this.calls(volume, target));
    await this.node.nodeUnstageVolume(this.calls(volume, target));
  }

  async close(): Promise<void> {
    await this.stop();
    for (const point of mountPointsBelow(this.dir)) unmount(point, { detach: true });
    await rm(this.dir, { recursive: true });
  }
}

/** Runs a check on a driver of its own. */
export async function withDriver(body: (driver: OwnDriver) => Promise<void>): Promise<void> {
  const driver = new OwnDriver(await realpath(await mkdtemp(join(tmpdir(), "r2k-lab-csi-"))));
  try {
    await judgeCalls(async () => {
      await driver.start();
      await body(driver);
    }, "the cluster's callers give up, or repeat it for ever");
  } finally {
    await driver.close();
  }
}
