import { logger } from "@raft2kube/observe/log.ts";
import { Node, type NodeMethods } from "@raft2kube/proto/gen/csi.ts";
import { type Channel, client, type RpcClient } from "@raft2kube/rpc/client.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { connectPlugin } from "./connect-plugin.ts";
import { CUSTOMARY_ROOT, fromCustomary, toCustomary } from "./customary-root.ts";
import type { Plugin, PluginHandler } from "./handler.ts";
import { DRIVER_INFO_TIMEOUT_MS, TOPOLOGY_KEYS_MAX } from "./limits.ts";

const log = logger("csi-drivers");

/** A CSI driver on this node, ready to be called. */
export interface CsiDriver {
  name: string;
  endpoint: string;
  /** The driver's id of this node. */
  nodeId: string;
  /** Topology segments: labels of the node, from which volumes are reachable. */
  topology: Record<string, string>;
  /** 0 means no limit. */
  maxVolumes: number;
  /** Values of NodeServiceCapability_RPC_Type. */
  capabilities: ReadonlySet<number>;
  node: RpcClient<NodeMethods>;
}

/** Called when a driver was added or removed, to publish it (CSINode, topology labels). */
export interface CsiDriverListener {
  added(driver: CsiDriver): Promise<void>;
  removed(name: string): Promise<void>;
}

/** No driver of that name is registered. */
export class CsiDriverMissingError extends CodedError {}

/** The registered CSI drivers. Implements the handler of CSI plugins. */
export class CsiDrivers implements PluginHandler {
  readonly #drivers = new Map<string, { driver: CsiDriver; channel: Channel }>();
  readonly #listener: CsiDriverListener;
  readonly #rootDir: string;

  constructor(listener: CsiDriverListener, rootDir: string = CUSTOMARY_ROOT) {
    this.#listener = listener;
    this.#rootDir = rootDir;
  }

  /**
   * Returns the driver. Throws CsiDriverMissingError with upstream's message, which becomes a
   * FailedMount event.
   */
  require(name: string): CsiDriver {
    const known = this.#drivers.get(name);
    if (known) return known.driver;
    throw new CsiDriverMissingError(
      "CsiDriverMissing",
      `driver name ${name} not found in the list of registered CSI drivers`,
      { remedy: "start the driver on this node; it registers in the kubelet's plugins_registry" },
    );
  }

  list(): CsiDriver[] {
    return [...this.#drivers.values()].map(({ driver }) => driver);
  }

  async register(plugin: Plugin): Promise<void> {
    const { name, endpoint, supportedVersions } = plugin;
    if (!supportedVersions.some((version) => /^v?1(\.|$)/.test(version))) {
      const message = `driver ${name} speaks CSI ${supportedVersions.join(", ")}, this kubelet 1.x`;
      throw new CodedError("CsiVersion", message);
    }
    const own = fromCustomary(endpoint, this.#rootDir);
    const channel = connectPlugin(own);
    const node = client(channel, Node);
    try {
      const seen = own === endpoint ? node : withCustomaryPaths(node, this.#rootDir);
      const driver = await describe(plugin, seen);
      await this.#listener.added(driver);
      this.#drivers.get(name)?.channel.close();
      this.#drivers.set(name, { driver, channel });
    } catch (thrown) {
      channel.close();
      throw thrown;
    }
  }

  async deregister(plugin: Plugin): Promise<void> {
    const known = this.#drivers.get(plugin.name);
    // A newer release registers from its own socket before the old one's is removed: keep the
    // newer.
    if (!known || known.driver.endpoint !== plugin.endpoint) return;
    this.#drivers.delete(plugin.name);
    known.channel.close();
    await this.#listener.removed(plugin.name);
    log.info("CSI driver left", { driver: plugin.name });
  }

  close(): void {
    for (const { channel } of this.#drivers.values()) channel.close();
    this.#drivers.clear();
  }
}

/** Calls of a driver in a pod, where the kubelet's root is in the customary place. */
function withCustomaryPaths(node: RpcClient<NodeMethods>, rootDir: string): RpcClient<NodeMethods> {
  const path = (own: string | undefined) => own && toCustomary(own, rootDir);
  return {
    ...node,
    nodeStageVolume: (input, options) =>
      node.nodeStageVolume({ ...input, stagingTargetPath: path(input.stagingTargetPath) }, options),
    nodeUnstageVolume: (input, options) =>
      node.nodeUnstageVolume(
        { ...input, stagingTargetPath: path(input.stagingTargetPath) },
        options,
      ),
    nodePublishVolume: (input, options) =>
      node.nodePublishVolume(
        {
          ...input,
          stagingTargetPath: path(input.stagingTargetPath),
          targetPath: path(input.targetPath),
        },
        options,
      ),
    nodeUnpublishVolume: (input, options) =>
      node.nodeUnpublishVolume({ ...input, targetPath: path(input.targetPath) }, options),
    nodeGetVolumeStats: (input, options) =>
      node.nodeGetVolumeStats(
        {
          ...input,
          stagingTargetPath: path(input.stagingTargetPath),
          volumePath: path(input.volumePath),
        },
        options,
      ),
    nodeExpandVolume: (input, options) =>
      node.nodeExpandVolume(
        {
          ...input,
          stagingTargetPath: path(input.stagingTargetPath),
          volumePath: path(input.volumePath),
        },
        options,
      ),
  };
}

async function describe(plugin: Plugin, node: RpcClient<NodeMethods>): Promise<CsiDriver> {
  const options = { timeout_ms: DRIVER_INFO_TIMEOUT_MS };
  const info = await node.nodeGetInfo({}, options);
  const { capabilities } = await node.nodeGetCapabilities({}, options);
  if (info.nodeId === "") {
    throw new CodedError("CsiNodeId", `driver ${plugin.name} gave an empty node id`);
  }
  const topology = info.accessibleTopology?.segments ?? {};
  const keys = Object.keys(topology).length;
  if (keys > TOPOLOGY_KEYS_MAX) {
    const message = `driver ${plugin.name} has ${keys} topology keys, more than ${TOPOLOGY_KEYS_MAX}`;
    throw new CodedError("TooManyTopologyKeys", message);
  }
  return {
    name: plugin.name,
    endpoint: plugin.endpoint,
    nodeId: info.nodeId,
    topology,
    maxVolumes: info.maxVolumesPerNode,
    capabilities: new Set(capabilities.map(({ rpc }) => rpc?.type ?? 0)),
    node,
  };
}
