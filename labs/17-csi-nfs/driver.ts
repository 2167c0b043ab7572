import { mkdirSync, realpathSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  VolumeCapability_AccessMode_Mode as Mode,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { exportedBy } from "../../testing/nfs/exports.ts";
import { capability, MIB, ServedDriver } from "../csi-driver.ts";
import { judgeCalls, mustRefuse } from "../rpc-calls.ts";

export const SERVER = "nfs.test";
export const SHARE = "/data";
export const PARAMETERS = { server: SERVER, share: SHARE };
export const WRITERS = capability(Mode.MULTI_NODE_MULTI_WRITER);

/**
 * Nodes that run the reader's driver, and a share that all of them mount. A directory of this
 * machine stands for the server, as the product's contract suite has it: what is mounted are bind
 * mounts, so that no kernel needs an NFS client.
 */
export class Nodes {
  readonly dir: string;
  readonly #drivers: OwnDriver[] = [];

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(this.share(), { recursive: true });
    process.env["R2K_EXPORTS"] = dir;
  }

  /** Where the server has a file of the share. */
  share(file = ""): string {
    return join(this.dir, "exports", SERVER, SHARE, file);
  }

  /** Starts the driver of one more node. */
  async add(name: string): Promise<OwnDriver> {
    const driver = new OwnDriver(join(this.dir, name), name);
    this.#drivers.push(driver);
    await driver.start();
    return driver;
  }

  async close(): Promise<void> {
    for (const driver of this.#drivers) await driver.stop();
    for (const point of mountPointsBelow(this.dir)) unmount(point, { detach: true });
    await rm(this.dir, { recursive: true });
  }
}

/** The reader's driver on one node, and the callers that a cluster has. */
export class OwnDriver extends ServedDriver {
  readonly #nodeId: string;

  constructor(dir: string, nodeId: string) {
    super(dir);
    this.#nodeId = nodeId;
    mkdirSync(dir);
  }

  protected serve(socket: string) {
    const process = new URL("../../testing/nfs/share-process.ts", import.meta.url);
    const seam = { process, sourceOfMount: exportedBy };
    return startNfsDriver({ socket, nodeId: this.#nodeId, clock: systemClock(), seam });
  }

  async create(request: Init<CreateVolumeRequest> & { name: string }): Promise<Volume> {
    const { volume } = await this.controller.createVolume({
      volumeCapabilities: [WRITERS],
      capacityRange: { requiredBytes: MIB },
      parameters: PARAMETERS,
      ...request,
    });
    return volume!;
  }

  /** The node's calls for this volume; `target` is a pod's folder for it. */
  calls({ volumeId, volumeContext }: Volume, target: string) {
    const targetPath = this.path(target);
    return { volumeId, volumeContext, targetPath, volumeCapability: WRITERS };
  }

  async publish(volume: Volume, target: string): Promise<void> {
    await this.node.nodePublishVolume(this.calls(volume, target));
  }

  async unpublish(volume: Volume, target: string): Promise<void> {
    await this.node.nodeUnpublishVolume(this.calls(volume, target));
  }
}

/** Runs a check with a share of its own, and the driver of one node. */
export async function withDriver(
  body: (driver: OwnDriver, nodes: Nodes) => Promise<void>,
): Promise<void> {
  const nodes = new Nodes(realpathSync(await mkdtemp(join(tmpdir(), "r2k-lab-nfs-"))));
  try {
    const why = "the cluster's callers give up, or repeat it for ever";
    await judgeCalls(async () => body(await nodes.add("node-1"), nodes), why);
  } finally {
    await nodes.close();
  }
}

/** The same as `mustRefuse`, for a function. */
export function mustThrow(
  act: () => unknown,
  status: number,
  judgement: { readonly when: string; readonly why: string },
): Promise<string> {
  return mustRefuse(new Promise((resolve) => resolve(act())), status, judgement);
}
