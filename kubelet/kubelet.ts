import { mkdir, readFile } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import type { NodeStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { openCgroups } from "@raft2kube/linux/cgroup.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { VersionResponse } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ApiSide } from "./api-side.ts";
import { PodEvents } from "./cri/pod-events.ts";
import type { Runtime } from "./cri/runtime.ts";
import { ImagePuller } from "./images/pull.ts";
import { CRASH_BACK_OFF_MAX_MS, CRASH_BACK_OFF_MS, PODS_MAX } from "./limits.ts";
import { allocatableNumbers, nodeResources, type NodeResources } from "./node/capacity.ts";
import { machineIdentity } from "./node/machine.ts";
import { KUBELET_VERSION, nodeAddresses, nodeImages, runtimeProblem } from "./node/node-facts.ts";
import { NodeSide } from "./node/node-side.ts";
import { nodeStatus } from "./node/node-status.ts";
import { type NodePlugins, startNodePlugins } from "./node-plugins.ts";
import { EVICTION_HARD, type KubeletOptions } from "./options.ts";
import { logEvents } from "./pod-event-sink.ts";
import { NO_OBJECTS } from "./pod-objects.ts";
import { admitPod } from "./pods/admission.ts";
import { isStatic, namespaceOf, uidOf } from "./pods/pod-identity.ts";
import { orphans } from "./pods/sweep.ts";
import { type PodSourceSink, StaticSource } from "./pods/static-source.ts";
import { parseResolvConf } from "./sandbox/dns.ts";
import { PodCgroups } from "./sandbox/pod-cgroup.ts";
import { serveKubelet } from "./server/server.ts";
import { BackOffs } from "./sync/back-off.ts";
import type { PodDeps } from "./sync/pod-deps.ts";
import { PodWorkers } from "./sync/pod-workers.ts";
import { PodVolumes } from "./volumes/pod-volumes.ts";

export interface Kubelet {
  /** The pods it works on. */
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

const log = logger("kubelet");

/** Puts the kubelet's parts together and sets them going. */
export async function assemble(options: KubeletOptions, base: Foundation): Promise<Kubelet> {
  const { clock, runtime } = base;
  const { rootDir, nodeName, client, staticPodDir } = options;
  await mkdir(join(rootDir, "pods"), { recursive: true, mode: 0o750 });
  const statics = new LateStatics();
  let nodeSide: NodeSide | undefined;
  const api =
    client &&
    new ApiSide({
      client,
      nodeName,
      clock,
      statics: () => statics.list(),
      node: () => nodeSide?.node,
    });
  let workers: PodWorkers | undefined;
  const activePods = () =>
    (workers?.list() ?? [])
      .filter(({ state }) => state === "syncing" || state === "terminating")
      .map(({ pod }) => pod);
  let resources: NodeResources = { capacity: {}, allocatable: {} };
  const hostIPs = options.nodeAddresses;
  const plugins = await startNodePlugins({
    rootDir,
    nodeName,
    client,
    clock,
    activePods: { list: activePods },
    sources: {
      objects: api?.objects ?? NO_OBJECTS,
      allocatable: () => allocatableNumbers(resources),
      hostIPs: () => hostIPs,
    },
  });
  const refresh = async () => {
    resources = await resourcesNow(options, plugins);
    return resources;
  };
  await refresh();
  const deps = await podDeps(options, base, plugins, api, () => resources);
  const working = new PodWorkers(deps, {
    async admit(pod) {
      const others = activePods().filter((one) => uidOf(one) !== uidOf(pod));
      admitPod(pod, others, resources.allocatable);
      await plugins.devices.admit(pod);
    },
    publish: (pod, status) => api?.statuses.publish(pod, status),
    reclaimed(pod) {
      const status = workers?.statusOf(uidOf(pod));
      if (!isStatic(pod) && status) api?.statuses.remove(pod, status);
    },
  });
  workers = working;
  const podEvents = new PodEvents({
    runtime,
    clock,
    changed: (uid) => working.trigger(uid),
    healthy: () => {},
  });
  if (api && client) {
    nodeSide = new NodeSide({
      client,
      informers: api.informers,
      recorder: api.recorder,
      clock,
      description: {
        nodeName,
        hostname: options.hostname ?? nodeName,
        labels: options.nodeLabels ?? {},
        taints: options.registerWithTaints ?? [],
      },
      status: async (previous) => statusNow(options, base, await refresh(), previous),
      registered: () => api.mirrors.trigger(),
      onPodCidrs: options.onPodCidrs,
    });
  }
  const sink: PodSourceSink = {
    put: (pod) => working.put(pod),
    remove(uid) {
      working.remove(uid);
      api?.statuses.forget(uid);
    },
  };
  const source = staticPodDir
    ? new StaticSource({
        dir: staticPodDir,
        nodeName,
        clock,
        sink: {
          put(pod) {
            sink.put(pod);
            api?.mirrors.trigger();
          },
          remove(uid) {
            sink.remove(uid);
            api?.mirrors.trigger();
          },
        },
        withDefaults: options.withDefaults ?? ((pod) => pod),
      })
    : undefined;
  statics.source = source;
  const server =
    options.server &&
    (await serveKubelet(options.server, {
      nodeName,
      rootDir,
      client,
      clock,
      runtime,
      workers: working,
      cgroups: deps.cgroups,
    }));
  const deviceChanges = plugins.devices.onChange(() => nodeSide?.trigger());
  source?.start();
  api?.start(sink);
  nodeSide?.start();
  podEvents.start();
  let closed = false;
  const sweeping = sweep(deps, working, [source?.synced, api?.synced], () => closed);
  return {
    pods: () => working.list().map(({ pod }) => pod),
    address: server?.address,
    async close() {
      closed = true;
      await server?.close();
      deviceChanges.close();
      await source?.close();
      await podEvents.close();
      await working.close();
      await nodeSide?.close();
      await api?.close();
      await plugins.close();
      runtime.close();
      void sweeping;
    },
  };
}

/** The static pods' source, which is made after the parts that ask for them. */
class LateStatics {
  source: StaticSource | undefined;

  list(): Pod[] {
    return this.source?.list() ?? [];
  }
}

async function podDeps(
  options: KubeletOptions,
  { clock, runtime, version }: Foundation,
  plugins: NodePlugins,
  api: ApiSide | undefined,
  resources: () => NodeResources,
): Promise<PodDeps> {
  const { rootDir, podLogsDir, containerLogsDir, cgroupRoot, nodeAddresses: hostIPs } = options;
  const paths = { rootDir, podLogsDir, containerLogsDir };
  const events = api?.events ?? logEvents();
  const objects = api?.objects ?? NO_OBJECTS;
  const cgroups = new PodCgroups(openCgroups(), cgroupRoot, clock);
  cgroups.createClasses();
  const resolvConf = await readFile(options.resolvConf ?? "/etc/resolv.conf", "utf8");
  const pullSecrets = async (pod: Pod) => {
    const names = (pod.spec.imagePullSecrets ?? []).map(({ name = "" }) => name);
    const found = await Promise.all(names.map((name) => objects.secret(namespaceOf(pod), name)));
    return found.filter((secret) => secret !== undefined);
  };
  return {
    clock,
    runtime,
    runtimeName: version.runtimeName,
    runtimeHandlerOf: async (name) => name ?? "",
    events,
    images: new ImagePuller({ runtime, clock, events, pullSecrets }),
    volumes: new PodVolumes({ plugins: plugins.volumes, paths, objects }),
    objects,
    devices: plugins.devices,
    node: {
      allocatable: () => allocatableNumbers(resources()),
      memory_bytes: os.totalmem(),
      hostIPs,
    },
    paths,
    sandboxNode: {
      paths,
      cgroupRoot,
      clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
      hostResolver: parseResolvConf(resolvConf),
      seccompRoot: join(rootDir, "seccomp"),
    },
    cgroups,
    restartBackOff: new BackOffs({
      clock,
      first_ms: CRASH_BACK_OFF_MS,
      most_ms: CRASH_BACK_OFF_MAX_MS,
    }),
  };
}

function resourcesNow(options: KubeletOptions, plugins: NodePlugins): Promise<NodeResources> {
  const eviction = { ...EVICTION_HARD, ...options.evictionHard };
  return nodeResources({
    rootDir: options.rootDir,
    maxPods: options.maxPods ?? PODS_MAX,
    reserved: options.reserved ?? {},
    evictionMemory_bytes: eviction.memoryAvailable_bytes,
    evictionDisk: eviction.nodefsAvailable,
    devices: plugins.devices,
  });
}

async function statusNow(
  options: KubeletOptions,
  { clock, runtime, version }: Foundation,
  resources: NodeResources,
  previous: NodeStatus | undefined,
): Promise<NodeStatus> {
  const hostname = options.hostname ?? options.nodeName;
  return nodeStatus({
    addresses: nodeAddresses(options.nodeAddresses, hostname),
    port: options.server?.listen.port,
    resources,
    identity: await machineIdentity(),
    runtimeVersion: `${version.runtimeName}://${version.runtimeVersion}`,
    kubeletVersion: KUBELET_VERSION,
    notReady: await runtimeProblem(runtime),
    pressure: { memory: false, disk: false, pid: false },
    images: await nodeImages(runtime),
    previous: previous?.conditions ?? [],
    now_ms: clock.now(),
  });
}

/** Once all sources have spoken, whatever none of them knows is cleared away. */
async function sweep(
  { runtime, paths, devices }: PodDeps,
  workers: PodWorkers,
  sources: (Promise<void> | undefined)[],
  closed: () => boolean,
): Promise<void> {
  await Promise.all(sources);
  if (closed()) return;
  try {
    const found = await orphans(runtime, paths, (uid) => workers.get(uid) !== undefined);
    for (const pod of found) workers.sweep(pod);
    await devices.retain(new Set(workers.list().map(({ pod }) => uidOf(pod))));
  } catch (thrown) {
    log.warn("could not look for left-over pods", { error: messageOf(thrown) });
  }
}
