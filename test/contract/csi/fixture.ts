import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { detachLoopDevicesBelow } from "@raft2kube/linux/mount/loop-device.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  Controller,
  type ControllerMethods,
  type CreateVolumeRequest,
  GroupController,
  type GroupControllerMethods,
  Identity,
  type IdentityMethods,
  VolumeCapability_AccessMode_Mode as Mode,
  Node,
  type NodeMethods,
  NodeServiceCapability_RPC_Type as NodeRpc,
  ControllerServiceCapability_RPC_Type as Rpc,
  type Volume,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { expect } from "vitest";

/** A driver under test: ours, or anyone's that answers on a Unix socket. */
export interface DriverUnderTest {
  /** Starts the driver with its data under `dir`; gives the path of its socket. */
  start(dir: string): Promise<{ socket: string; close(): Promise<void> }>;
  /** Parameters of the class, for a driver that needs some. */
  parameters?: Record<string, string>;
  /** A volume id in the driver's form, of no volume. */
  unknownId?: string;
  /**
   * Whether the driver is not our own: it may answer a capacity of 0, for unknown, and lack
   * ControllerGetVolume.
   */
  foreign?: boolean;
}

export const MIB = 1024 ** 2;

/** A directory on one node, mounted as `mode` says. */
export const capability = (mode: number): Init<VolumeCapability> => ({
  mount: {},
  accessMode: { mode },
});

/** A block device for one writer. */
export const BLOCK_WRITER: Init<VolumeCapability> = {
  block: {},
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
};

export const WRITER = capability(Mode.SINGLE_NODE_WRITER);

/** An RpcError of this status, for `toEqual`. */
export const refused = (status: number): unknown => expect.objectContaining({ status });

/** One running driver with a directory of its own, and the calls that most rules start with. */
export class CsiFixture {
  dir = "";
  identity!: RpcClient<IdentityMethods>;
  controller!: RpcClient<ControllerMethods>;
  node!: RpcClient<NodeMethods>;
  group!: RpcClient<GroupControllerMethods>;
  readonly #driver: DriverUnderTest;
  #running: { socket: string; close(): Promise<void> } | undefined;
  #channel: Channel | undefined;
  #stages = false;
  #capabilities: ReadonlySet<number> = new Set();

  constructor(driver: DriverUnderTest) {
    this.#driver = driver;
  }

  async open(): Promise<void> {
    this.dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "r2k-csi-")));
    await this.start();
  }

  async close(): Promise<void> {
    await this.stop();
    for (const point of mountPointsBelow(this.dir)) unmount(point, { detach: true });
    detachLoopDevicesBelow(this.dir);
    await rm(this.dir, { recursive: true });
  }

  async start(): Promise<void> {
    this.#running = await this.#driver.start(this.dir);
    this.#channel = connectGrpc(`unix://${this.#running.socket}`);
    this.identity = client(this.#channel, Identity);
    this.controller = client(this.#channel, Controller);
    this.node = client(this.#channel, Node);
    this.group = client(this.#channel, GroupController);
    const ofNode = await this.node.nodeGetCapabilities({});
    const stages = NodeRpc.STAGE_UNSTAGE_VOLUME;
    this.#stages = ofNode.capabilities.some(({ rpc }) => rpc?.type === stages);
    const ofController = await this.controller.controllerGetCapabilities({});
    this.#capabilities = new Set(ofController.capabilities.map(({ rpc }) => rpc?.type ?? 0));
  }

  /** Whether volumes are staged on a node before they are published. */
  get stages(): boolean {
    return this.#stages;
  }

  /** Whether the driver lists its volumes and snapshots. */
  get lists(): boolean {
    return this.#capabilities.has(Rpc.LIST_VOLUMES);
  }

  get isForeign(): boolean {
    return this.#driver.foreign ?? false;
  }

  /** Whether the driver has ControllerGetVolume, which only a foreign one may lack. */
  get getsVolumes(): boolean {
    return this.#capabilities.has(Rpc.GET_VOLUME) || !this.isForeign;
  }

  /** An id of no volume. */
  get unknownId(): string {
    return this.#driver.unknownId ?? "unknown";
  }

  async stop(): Promise<void> {
    this.#channel?.close();
    await this.#running?.close();
  }

  path(name: string): string {
    return path.join(this.dir, name);
  }

  /** Mounts anywhere under the driver's and the test's directory. */
  mounts(): string[] {
    return mountPointsBelow(this.dir);
  }

  /** CreateVolume of 1 MiB for one writer, unless the request says otherwise. */
  async create(request: Init<CreateVolumeRequest> & { name: string }): Promise<Volume> {
    const { volume } = await this.controller.createVolume({
      volumeCapabilities: [WRITER],
      capacityRange: { requiredBytes: MIB },
      parameters: this.#driver.parameters,
      ...request,
    });
    return volume!;
  }

  stagingOf(volume: Volume): string {
    return this.path(`staging-${volume.volumeId.replaceAll("/", "_")}`);
  }

  async stage(volume: Volume, volumeCapability = WRITER): Promise<void> {
    if (!this.#stages) return;
    const stagingTargetPath = this.stagingOf(volume);
    await mkdir(stagingTargetPath, { recursive: true });
    const { volumeId, volumeContext } = volume;
    await this.node.nodeStageVolume({
      volumeId,
      volumeContext,
      stagingTargetPath,
      volumeCapability,
    });
  }

  /** The request that publishes a staged volume at `target`. */
  publication(volume: Volume, target: string, volumeCapability = WRITER) {
    return {
      volumeId: volume.volumeId,
      volumeContext: volume.volumeContext,
      stagingTargetPath: this.#stages ? this.stagingOf(volume) : "",
      targetPath: this.path(target),
      volumeCapability,
    };
  }

  async publish(volume: Volume, target: string): Promise<void> {
    await this.stage(volume);
    await this.node.nodePublishVolume(this.publication(volume, target));
  }

  async unpublish(volume: Volume, target: string): Promise<void> {
    const { volumeId } = volume;
    await this.node.nodeUnpublishVolume({ volumeId, targetPath: this.path(target) });
    if (!this.#stages) return;
    const stagingTargetPath = this.stagingOf(volume);
    await this.node.nodeUnstageVolume({ volumeId, stagingTargetPath });
  }

  async withdraw(volume: Volume, target: string): Promise<void> {
    await this.unpublish(volume, target);
    await this.controller.deleteVolume({ volumeId: volume.volumeId });
  }
}
