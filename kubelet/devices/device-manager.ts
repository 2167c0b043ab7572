import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { isExtendedResource } from "@raft2kube/api/core/v1/pod/validate-resources.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { fromCustomary } from "../plugins/customary-root.ts";
import type { PluginHandler } from "../plugins/handler.ts";
import { readCheckpoint } from "./checkpoint.ts";
import type { ActivePods } from "./device-allocation.ts";
import { DeviceAllocator } from "./device-allocator.ts";
import { DeviceHolders } from "./device-holders.ts";
import { optionsOf } from "./device-plugin.ts";
import { DeviceResources } from "./device-resources.ts";
import { servePodResources } from "./pod-resources.ts";
import { serveDeviceRegistration } from "./registration-server.ts";

const CHECKPOINT = "kubelet_internal_checkpoint";

export interface DeviceManagerOptions {
  /** The kubelet's; `device-plugins/` and `pod-resources/` below it are ours. */
  rootDir: string;
  activePods: ActivePods;
  clock: Clock;
}

/** The running device side of a kubelet. */
export interface RunningDeviceManager {
  manager: DeviceAllocator;
  /** Handler for plugins of type `DevicePlugin` in the kubelet's plugins_registry. */
  pluginHandler: PluginHandler;
  close(): Promise<void>;
}

/**
 * Starts the device side: reads the checkpoint, serves `device-plugins/kubelet.sock` (v1beta1) and
 * `pod-resources/kubelet.sock` (v1). Throws CheckpointError when the checkpoint is damaged.
 */
export async function startDeviceManager(
  options: DeviceManagerOptions,
): Promise<RunningDeviceManager> {
  const { rootDir, activePods, clock } = options;
  const pluginDir = path.join(rootDir, "device-plugins");
  const checkpointFile = path.join(pluginDir, CHECKPOINT);
  await mkdir(pluginDir, { recursive: true, mode: 0o750 });
  await mkdir(path.join(rootDir, "pod-resources"), { recursive: true, mode: 0o750 });
  const checkpoint = await readCheckpoint(checkpointFile);
  await removeStaleSockets(pluginDir);

  const holders = new DeviceHolders(checkpoint.entries);
  const resources = new DeviceResources({
    clock,
    known: checkpoint.resources,
    changed: () => manager.changed(),
  });
  const manager = new DeviceAllocator({ resources, holders, activePods, checkpointFile });
  const registration = await serveDeviceRegistration(pluginDir, resources);
  const podResourcesSocket = path.join(rootDir, "pod-resources", "kubelet.sock");
  let podResources: Pick<RpcServer, "close">;
  try {
    podResources = await servePodResources({
      socket: podResourcesSocket,
      activePods,
      holders,
      resources,
    });
  } catch (thrown) {
    await registration.close();
    await resources.close();
    throw thrown;
  }
  return {
    manager,
    pluginHandler: pluginHandlerFor(resources, rootDir),
    async close() {
      await Promise.all([registration.close(), podResources.close()]);
      await resources.close();
      await manager.close();
    },
  };
}

/**
 * Removes stale sockets, as upstream: plugins that outlived a kubelet notice it, and register with
 * the new one.
 */
async function removeStaleSockets(pluginDir: string): Promise<void> {
  for (const entry of await readdir(pluginDir, { withFileTypes: true })) {
    if (entry.isSocket()) await rm(path.join(pluginDir, entry.name), { force: true });
  }
}

function pluginHandlerFor(resources: DeviceResources, rootDir: string): PluginHandler {
  return {
    async register({ name, endpoint: named, supportedVersions }) {
      const endpoint = fromCustomary(named, rootDir);
      if (!isExtendedResource(name)) {
        throw new CodedError("BadResourceName", `${name} is not the name of a device resource`);
      }
      if (!supportedVersions.includes("v1beta1")) {
        const message = `the plugin of ${name} speaks ${supportedVersions.join(", ")}, not v1beta1`;
        throw new CodedError("DevicePluginVersion", message);
      }
      // The registration socket does not report the plugin's options: ask the plugin.
      await resources.add(name, endpoint, await optionsOf(endpoint));
    },
    deregister: ({ name, endpoint }) => resources.remove(name, fromCustomary(endpoint, rootDir)),
  };
}
