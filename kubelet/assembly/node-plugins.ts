import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ActivePods, DeviceManager } from "../devices/device-allocation.ts";
import { startDeviceManager } from "../devices/device-manager.ts";
import { CsiDrivers } from "../plugins/csi-drivers.ts";
import { csiNodePublisher } from "../plugins/csi-node-publisher.ts";
import { startPluginWatcher } from "../plugins/plugin-watcher.ts";
import { csiObjects } from "../volumes/csi-objects.ts";
import { csiPlugin } from "../volumes/csi.ts";
import { emptyDirPlugin } from "../volumes/empty-dir.ts";
import { hostPathPlugin } from "../volumes/host-path.ts";
import type { VolumePlugin } from "../volumes/plugin.ts";
import {
  configMapPlugin,
  downwardApiPlugin,
  projectedPlugin,
  secretPlugin,
} from "../volumes/projected.ts";
import type { ProjectionSources } from "../volumes/projection.ts";

/** Volume kinds and devices of this node: those built in, and those that plugins bring. */
export interface NodePlugins {
  volumes: VolumePlugin[];
  devices: DeviceManager;
  close(): Promise<void>;
}

export interface NodePluginsOptions {
  rootDir: string;
  nodeName: string;
  /** CSI needs the API; without it the node has no CSI volumes. */
  client: KubeClient | undefined;
  clock: Clock;
  activePods: ActivePods;
  sources: ProjectionSources;
}

export async function startNodePlugins(options: NodePluginsOptions): Promise<NodePlugins> {
  const { rootDir, nodeName, client, clock, activePods, sources } = options;
  const devices = await startDeviceManager({ rootDir, activePods, clock });
  const drivers = client && new CsiDrivers(csiNodePublisher(client, nodeName));
  const watcher = await startPluginWatcher({
    registryDir: join(rootDir, "plugins_registry"),
    handlers: {
      DevicePlugin: devices.pluginHandler,
      ...(drivers ? { CSIPlugin: drivers } : {}),
    },
    clock,
  });
  const volumes = [
    emptyDirPlugin(),
    hostPathPlugin(),
    configMapPlugin(sources),
    secretPlugin(sources),
    downwardApiPlugin(sources),
    projectedPlugin(sources),
  ];
  if (drivers && client) {
    const objects = csiObjects(client, clock);
    volumes.push(csiPlugin({ rootDir, nodeName, drivers, objects }));
  }
  return {
    volumes,
    devices: devices.manager,
    async close() {
      await watcher.close();
      drivers?.close();
      await devices.close();
    },
  };
}
