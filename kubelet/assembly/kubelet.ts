import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { VersionResponse } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { AdmissionError } from "../devices/device-allocation.ts";
import { ApiSide } from "../api/api-side.ts";
import { PodEvents } from "../cri/pod-events.ts";
import { type Runtime, tellPodCidrs } from "../cri/runtime.ts";
import { Evictions } from "../eviction/evictions.ts";
import { admitsUnderPressure } from "../eviction/plan.ts";
import { nodeChores } from "../housekeeping/chores.ts";
import { collectContainers } from "../housekeeping/container-gc.ts";
import { ImageGc } from "../housekeeping/image-gc.ts";
import { startChores } from "../housekeeping/periodic.ts";
import { Later } from "./later.ts";
import { IMAGE_GC_HIGH_PERCENT, IMAGE_GC_LOW_PERCENT } from "../limits.ts";
import { NodeSide } from "../node/node-side.ts";
import { OwnNode } from "../node/own-node.ts";
import { type NodePlugins, startNodePlugins } from "./node-plugins.ts";
import { EVICTION_HARD, type KubeletOptions } from "../options.ts";
import { podDeps } from "./pod-deps.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { admitPod } from "../admission/admit-pod.ts";
import { isStatic, uidOf } from "../pods/pod-identity.ts";
import { sweepOrphans } from "../housekeeping/sweep.ts";
import { type PodSourceSink, StaticSource } from "../pods/static-source.ts";
import { serveKubelet } from "../server/server.ts";
import type { PodDeps } from "../sync/pod-deps.ts";
import { PodWorkers, shownPod } from "../sync/pod-workers.ts";

export interface Kubelet {
  /** The pods it works on, with their statuses as the kubelet sees them. */
  pods(): Pod[];
  /** Where its HTTPS API listens; undefined when it serves none. */
  address: { host: string; port: number } | undefined;
  /** Stops the kubelet; its pods keep running. */
  close(): Promise<void>;
}

export interface Foundation {
  clock: Clock;
  runtime: Runtime;
  version: VersionResponse;
}

/** Parts that others ask for before they are made. */
interface Wires {
  workers: Later<PodWorkers>;
  nodeSide: Later<NodeSide>;
  statics: Later<StaticSource>;
  evictions: Later<Evictions>;
}

/** Puts the kubelet's parts together and sets them going. */
export async function assemble(options: KubeletOptions, base: Foundation): Promise<Kubelet> {
  const { clock, runtime } = base;
  const { rootDir, nodeName, client } = options;
  await mkdir(join(rootDir, "pods"), { recursive: true, mode: 0o750 });
  const wires: Wires = {
    workers: new Later("workers"),
    nodeSide: new Later("node"),
    statics: new Later("static pods"),
    evictions: new Later("evictions"),
  };
  const api = apiSide(options, clock, wires);
  const own = new OwnNode(options, base, () => wires.evictions.peek()?.pressure);
  const plugins = await startNodePlugins({
    rootDir,
    nodeName,
    client,
    clock,
    activePods: { list: () => activePods(wires) },
    sources: {
      objects: api?.objects ?? NO_OBJECTS,
      allocatable: () => own.allocatable(),
      hostIPs: () => options.nodeAddresses,
    },
  });
  await own.open(plugins.devices);
  const deps = await podDeps(options, base, plugins, api, own);
  const workers = podWorkers(deps, api, own, plugins, wires);
  wires.workers.set(workers);
  const server =
    options.server &&
    (await serveKubelet(options.server, { ...deps, nodeName, rootDir, client, workers }));
  own.serverPort = server?.address.port;
  const parts = [
    ...housekeeping(options, deps, workers, wires),
    ...sources(options, deps, api, own, wires),
  ];
  const deviceChanges = plugins.devices.onChange(() => wires.nodeSide.peek()?.trigger());
  const changed = (uid: string) => workers.trigger(uid);
  const podEvents = new PodEvents({ runtime, clock, changed });
  podEvents.start();
  const sweeping = sweepOrphans(deps, workers, [wires.statics.peek()?.synced, api?.synced]);
  return {
    pods: () => workers.list().map(shownPod),
    address: server?.address,
    async close() {
      sweeping.cancel();
      deviceChanges.close();
      await server?.close();
      await podEvents.close();
      await Promise.all(parts.map((part) => part.close()));
      await workers.close();
      await api?.close();
      await plugins.close();
      runtime.close();
    },
  };
}

interface Part {
  close(): Promise<void>;
}

/** Pods that hold resources of the node. */
function activePods({ workers }: Wires): Pod[] {
  return (workers.peek()?.list() ?? [])
    .filter(({ state }) => state === "syncing" || state === "terminating")
    .map(({ pod }) => pod);
}

function apiSide(options: KubeletOptions, clock: Clock, wires: Wires): ApiSide | undefined {
  const { client, nodeName } = options;
  if (!client) return undefined;
  return new ApiSide({
    client,
    nodeName,
    clock,
    statics: () => wires.statics.peek()?.list() ?? [],
    node: () => wires.nodeSide.peek()?.node,
  });
}

function podWorkers(
  deps: PodDeps,
  api: ApiSide | undefined,
  own: OwnNode,
  { devices }: NodePlugins,
  wires: Wires,
): PodWorkers {
  return new PodWorkers(deps, {
    async admit(pod) {
      const pressure = wires.evictions.get().pressure;
      if (!admitsUnderPressure(pod, pressure)) {
        const names = Object.entries(pressure).flatMap(([name, under]) => (under ? [name] : []));
        throw new AdmissionError("Evicted", `The node had condition: [${names.join(" ")}].`);
      }
      const others = activePods(wires).filter((one) => uidOf(one) !== uidOf(pod));
      admitPod(pod, others, own.resources.allocatable);
      await devices.admit(pod);
    },
    publish: (pod, status) => api?.statuses.publish(pod, status),
    reclaimed(pod) {
      const status = wires.workers.get().get(uidOf(pod))?.status;
      // A static pod's mirror is taken away when its file is.
      if (!isStatic(pod) && status) api?.statuses.remove(pod, status);
    },
    gone: (uid) => api?.statuses.forget(uid),
  });
}

/** What keeps the node in order: log rotation, garbage collection, eviction. */
function housekeeping(
  options: KubeletOptions,
  deps: PodDeps,
  workers: PodWorkers,
  wires: Wires,
): Part[] {
  const { clock, runtime, paths } = deps;
  const { highPercent = IMAGE_GC_HIGH_PERCENT, lowPercent = IMAGE_GC_LOW_PERCENT } =
    options.imageGc ?? {};
  const imageGc = new ImageGc({ runtime, highPercent, lowPercent, now_ms: () => clock.now() });
  const evictions = new Evictions({
    ...deps,
    workers,
    rootDir: options.rootDir,
    thresholds: { ...EVICTION_HARD, ...options.evictionHard },
    async freeDisk() {
      await collectContainers(runtime, workers, paths);
      await imageGc.freeAll();
    },
    changed: () => wires.nodeSide.peek()?.trigger(),
  });
  wires.evictions.set(evictions);
  return [startChores(nodeChores(deps, workers, imageGc, evictions), clock)];
}

/** Where pods come from, and the node's own object, which the API's pods depend on. */
function sources(
  options: KubeletOptions,
  { clock, runtime }: PodDeps,
  api: ApiSide | undefined,
  own: OwnNode,
  wires: Wires,
): Part[] {
  const workers = wires.workers.get();
  const sink: PodSourceSink = {
    put: (pod) => workers.put(pod),
    remove(uid) {
      workers.remove(uid);
      api?.statuses.forget(uid);
    },
  };
  const parts: Part[] = [];
  if (options.staticPodDir) {
    const statics = new StaticSource({
      dir: options.staticPodDir,
      nodeName: options.nodeName,
      clock,
      sink,
      changed: () => api?.mirrors.trigger(),
    });
    wires.statics.set(statics);
    statics.start();
    parts.push(statics);
  }
  if (api && options.client) {
    const nodeSide = new NodeSide({
      client: options.client,
      informers: api.informers,
      recorder: api.recorder,
      clock,
      description: own.description,
      status: (previous) => own.status(previous),
      registered: () => api.mirrors.trigger(),
      async onPodCidrs(podCidrs) {
        await tellPodCidrs(runtime, podCidrs);
        await options.onPodCidrs?.(podCidrs);
      },
    });
    wires.nodeSide.set(nodeSide);
    api.start(sink);
    nodeSide.start();
    parts.push(nodeSide);
  }
  return parts;
}
