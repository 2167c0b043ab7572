import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { podResources } from "../containers/qos.ts";
import { CsiDrivers } from "../plugins/csi-drivers.ts";
import { csiNodePublisher } from "../plugins/csi-node-publisher.ts";
import type { OwnFolders } from "../plugins/customary-root.ts";
import type { PluginHandler } from "../plugins/handler.ts";
import { startPluginWatcher } from "../plugins/plugin-watcher.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { csiPlugin } from "../volumes/csi.ts";
import { csiObjects } from "../volumes/csi-objects.ts";
import { emptyDirPlugin } from "../volumes/empty-dir.ts";
import { hostPathPlugin } from "../volumes/host-path.ts";
import { imagePlugin } from "../volumes/image.ts";
import { localPlugin } from "../volumes/local.ts";
import { nfsPlugin } from "../volumes/nfs.ts";
import type { VolumePlugin } from "../volumes/plugin.ts";
import {
  configMapPlugin,
  downwardApiPlugin,
  projectedPlugin,
  secretPlugin,
} from "../volumes/projected.ts";
import type { ProjectionSources } from "../volumes/projection.ts";
import { VolumesInUse } from "../volumes/volumes-in-use.ts";

/** Volume plugins of this node: those built in, and those of CSI drivers that register. */
export interface NodePlugins {
  volumes: VolumePlugin[];
  /** Attached volumes, for the node's status. */
  inUse: VolumesInUse;
  close(): Promise<void>;
}

export interface NodePluginsOptions extends OwnFolders {
  nodeName: string;
  /** CSI needs the API; without it the node has no CSI volumes. */
  client: KubeClient | undefined;
  clock: Clock;
  /** Handles the plugins of type `DevicePlugin` that register. */
  devices: PluginHandler;
  sources: ProjectionSources;
  events: PodEventSink;
  /** Whether pods' own nfs volumes are refused, as in KubeletOptions. */
  refuseOwnNfs?: boolean;
}

/** Returns what a pod may use of the node's memory. */
function memoryOf(pod: Pod, { memory_bytes }: NodeAllocatable): number {
  return Math.min(podResources(pod).memoryLimit_bytes || memory_bytes, memory_bytes);
}

export async function startNodePlugins(options: NodePluginsOptions): Promise<NodePlugins> {
  const { rootDir, nodeName, client, clock, devices, sources, events } = options;
  const drivers = client && new CsiDrivers(csiNodePublisher(client, nodeName), rootDir);
  const inUse = await VolumesInUse.find(rootDir);
  const watcher = await startPluginWatcher({
    registryDir: join(rootDir, "plugins_registry"),
    handlers: { DevicePlugin: devices, ...(drivers ? { CSIPlugin: drivers } : {}) },
    clock,
  });
  const volumes = [
    emptyDirPlugin((pod) => memoryOf(pod, sources.allocatable())),
    hostPathPlugin(options),
    localPlugin(events),
    imagePlugin(),
    nfsPlugin({ refuseOwn: options.refuseOwnNfs ?? false }),
    configMapPlugin(sources),
    secretPlugin(sources),
    downwardApiPlugin(sources),
    projectedPlugin(sources),
  ];
  if (drivers && client) {
    const objects = csiObjects(client, clock);
    const { token } = sources.objects;
    volumes.push(csiPlugin({ rootDir, nodeName, drivers, objects, token, inUse, clock }));
  }
  return {
    volumes,
    inUse,
    async close() {
      await watcher.close();
      drivers?.close();
    },
  };
}
