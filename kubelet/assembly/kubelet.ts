import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { admit } from "../admission/admission.ts";
import { admitResize } from "../admission/admit-resize.ts";
import { ApiConnection } from "../api/api-connection.ts";
import { PodEvents } from "../cri/pod-events.ts";
import type { ConnectedRuntime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { startDeviceManager } from "../devices/device-manager.ts";
import { sweepOrphans } from "../housekeeping/sweep.ts";
import { NODE_DEVICES_MS } from "../limits.ts";
import { LocalNode } from "../node/local-node.ts";
import { PressureConditions } from "../node/pressure.ts";
import type { KubeletOptions } from "../options.ts";
import { logEvents } from "../pods/pod-event-sink.ts";
import { gracePeriodOf, isStatic, uidOf } from "../pods/pod-identity.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { serveHealthz } from "../server/healthz.ts";
import { serveKubelet } from "../server/server.ts";
import { PodWorkers, shownPod } from "../sync/pod-workers.ts";
import type { WorkerPorts } from "../sync/worker.ts";
import { activePods, admittedPods, type WorkerTable } from "../sync/worker-table.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { startNodePlugins } from "./node-plugins.ts";
import { podPorts } from "./pod-ports.ts";
import { nodeReporter, startSources } from "./sources.ts";

export interface Kubelet {
  /** The pods it works on, with their statuses as the kubelet sees them. */
  pods(): Pod[];
  /** Address of its HTTPS API; undefined when it serves none. */
  address: { host: string; port: number } | undefined;
  /** Stops the kubelet; its pods keep running. */
  close(): Promise<void>;
}

/** Constructs the kubelet's parts, each from those before it, and starts them. */
export async function assemble(
  options: KubeletOptions,
  connected: ConnectedRuntime,
): Promise<Kubelet> {
  const { clock, runtime } = connected;
  const { rootDir, nodeName, client } = options;
  // Drivers' manifests mount both, and expect them to be there.
  await Promise.all(["pods", "plugins"].map((name) => makeStateDir(join(rootDir, name))));
  const api = client && new ApiConnection(client, nodeName, clock);
  const table: WorkerTable = new Map();
  const active = { list: () => activePods(table) };
  const pressure = new PressureConditions(clock);
  const devices = await startDeviceManager({ rootDir, activePods: active, clock });
  const node = await LocalNode.open({ ...connected, options, pressure, devices: devices.manager });
  const plugins = await startNodePlugins({
    ...options,
    client,
    clock,
    devices: devices.pluginHandler,
    events: api?.events ?? logEvents(),
    refuseOwnNfs: options.refuseOwnNfs ?? false,
    sources: {
      objects: api?.objects ?? NO_OBJECTS,
      allocatable: () => node.allocatable(),
      hostIPs: () => options.nodeAddresses,
    },
  });
  const ports = await podPorts(options, connected, {
    api,
    node,
    volumes: plugins.volumes,
    devices: devices.manager,
  });
  const allocatable = () => node.resources.allocatable;
  const workers = podWorkers(ports, table, { api, pressure, allocatable });
  const server =
    options.server &&
    (await serveKubelet(options.server, { ...ports, nodeName, rootDir, client, workers }));
  const healthz = options.healthz && serveHealthz(options.healthz);
  const { inUse } = plugins;
  const port = server?.address.port;
  const reporter = api && nodeReporter(options, connected, api, { node, inUse, port });
  const nodeChanged = () => reporter?.trigger();
  inUse.onChange(nodeChanged);
  const housekeeping = startHousekeeping(options, { ...ports, workers, pressure, nodeChanged });
  const sources = startSources(options, { clock, api, workers, reporter });
  const deviceChanges = devices.manager.onChange(() => reporter?.trigger(NODE_DEVICES_MS));
  const changed = (uid: string) => workers.trigger(uid);
  const podEvents = new PodEvents({ runtime, clock, changed });
  podEvents.start();
  const sweeping = sweepOrphans(ports, workers, sources.synced);
  return {
    pods: () => workers.list().map(shownPod),
    address: server?.address,
    async close() {
      await sweeping.close();
      deviceChanges.close();
      healthz?.close();
      await server?.close();
      await podEvents.close();
      await Promise.all([housekeeping.close(), sources.statics?.close(), reporter?.close()]);
      workers.close();
      await sources.apiPods?.close();
      await api?.close();
      await plugins.close();
      await devices.close();
      runtime.close();
    },
  };
}

async function makeStateDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o750 });
}

interface WorkerParts {
  api: ApiConnection | undefined;
  pressure: PressureConditions;
  allocatable(): Record<string, string>;
}

function podWorkers(
  ports: WorkerPorts & { devices: DeviceManager },
  table: WorkerTable,
  { api, pressure, allocatable }: WorkerParts,
): PodWorkers {
  const { devices, events } = ports;
  const isLeaving = (pod: Pod) => table.get(uidOf(pod))?.state !== "syncing";
  const preempt = (pod: Pod) => {
    const message = "Preempted in order to admit critical pod";
    events.record(pod, "Warning", "Preempting", message);
    const verdict = { reason: "Preempting", message, disrupted: true };
    table.get(uidOf(pod))?.end(verdict, gracePeriodOf(pod));
  };
  const node = { devices, pressure, allocatable, isLeaving, preempt };
  return new PodWorkers(ports, table, {
    admit: (pod) => admit(pod, { ...node, admitted: admittedPods(table) }),
    admitResize: (desired) => admitResize(desired, admittedPods(table), allocatable()),
    publish: (pod, status) => api?.statuses.publish(pod, status),
    reclaimed(pod, status) {
      // A static pod's mirror is deleted when its file is gone.
      if (!isStatic(pod)) api?.statuses.remove(pod, status);
    },
    gone: (uid) => api?.statuses.forget(uid),
  });
}
