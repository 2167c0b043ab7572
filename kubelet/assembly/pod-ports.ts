import { mkdir, readFile, realpath } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { Allocations } from "../allocation/allocations.ts";
import type { ApiConnection } from "../api/api-connection.ts";
import type { ConnectedRuntime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { readPullSecrets } from "../images/credentials.ts";
import { ImagePuller } from "../images/pull.ts";
import { PulledImages } from "../images/pulled-images.ts";
import {
  CRASH_BACK_OFF_MS,
  CRASH_BACK_OFF_MS_MAX,
  POD_PIDS_MAX,
  PODS_MAX,
  USERS_OF_POD,
} from "../limits.ts";
import type { LocalNode } from "../node/local-node.ts";
import { podsPidsMax } from "../node/machine.ts";
import type { KubeletOptions } from "../options.ts";
import { BackOffs } from "../pods/back-off.ts";
import { logEvents } from "../pods/pod-event-sink.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { ProbeMetrics } from "../probes/probe-metrics.ts";
import { ProbeTurns } from "../probes/probe-turns.ts";
import { parseResolvConf } from "../sandbox/dns.ts";
import { PodCgroups } from "../sandbox/pod-cgroup.ts";
import { subordinateIds } from "../sandbox/subordinate-ids.ts";
import { UserRanges } from "../sandbox/user-ranges.ts";
import { PodTurns } from "../sync/pod-turns.ts";
import type { VolumePlugin } from "../volumes/plugin.ts";
import { PodVolumes } from "../volumes/pod-volumes.ts";

export interface PodPortsFrom {
  api: ApiConnection | undefined;
  node: LocalNode;
  volumes: VolumePlugin[];
  devices: DeviceManager;
}

// Log directories may be reached by links; files beneath them are opened without following links.
async function makePaths({ rootDir, podLogsDir, containerLogsDir }: KubeletOptions) {
  const made = async (dir: string) => {
    await mkdir(dir, { recursive: true });
    return realpath(dir);
  };
  return {
    rootDir,
    podLogsDir: await made(podLogsDir),
    containerLogsDir: containerLogsDir && (await made(containerLogsDir)),
  };
}

const RESTART_BACK_OFF = { first_ms: CRASH_BACK_OFF_MS, most_ms: CRASH_BACK_OFF_MS_MAX };

/** The pull secrets of a pod whose containers ran may be those of before. */
const readOptions = ({ status }: Pod, since_ms: number) => ({
  orLast:
    status?.phase === "Running" ||
    (status?.initContainerStatuses ?? []).some(({ containerID }) => containerID),
  since_ms,
});

/** Constructs what the operations on pods take, from the options and the parts made so far. */
export async function podPorts(
  options: KubeletOptions,
  { clock, runtime, version }: ConnectedRuntime,
  { api, node, volumes, devices }: PodPortsFrom,
) {
  const { rootDir, cgroupRoot } = options;
  const paths = await makePaths(options);
  const events = api?.events ?? logEvents();
  const objects = api?.objects ?? NO_OBJECTS;
  const groups = cgroupsOf(options.cgroups ?? "machine");
  const cgroups = new PodCgroups(groups, cgroupRoot, clock, {
    pod: options.podPidsLimit ?? POD_PIDS_MAX,
    allPods: await podsPidsMax(),
  });
  cgroups.createClasses();
  const resolvConf = await readFile(options.resolvConf ?? "/etc/resolv.conf", "utf8");
  const pullSecrets = (pod: Pod) =>
    readPullSecrets(
      pod,
      (name) => objects.secret(namespaceOf(pod), name, readOptions(pod, clock.monotonic())),
      (message) => events.record(pod, "Warning", "FailedToRetrieveImagePullSecret", message),
    );
  const allocations = await Allocations.open(join(rootDir, "pod_resources_state"));
  const users = await UserRanges.open(
    paths,
    {
      first: USERS_OF_POD,
      pods: options.maxPods ?? PODS_MAX,
      ...options.podUsers,
      others: await subordinateIds(),
    },
    runtime.runtime,
  );
  const pulled = await PulledImages.open(join(rootDir, "image_manager"));
  return {
    clock,
    runtime,
    tracer: options.tracer,
    runtimeName: version.runtimeName,
    events,
    probeTurns: new ProbeTurns(clock),
    probeMetrics: new ProbeMetrics(),
    turns: new PodTurns(clock),
    images: new ImagePuller({ runtime, clock, events, pullSecrets, pulled }),
    volumes: new PodVolumes({ plugins: volumes, paths, objects, clock, events }),
    objects,
    devices,
    allocations,
    users,
    node: {
      allocatable: () => node.allocatable(),
      memory_bytes: os.totalmem(),
      oomGroups: groups.version === 2 && groups.controllers.includes("memory"),
      hostIPs: options.nodeAddresses,
    },
    paths,
    sandboxNode: {
      paths,
      cgroupRoot,
      clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
      hostResolver: parseResolvConf(resolvConf),
      seccomp: { root: join(rootDir, "seccomp"), byDefault: options.seccompDefault ?? false },
      users,
    },
    admitNetwork: options.admitNetwork ?? (() => Promise.resolve()),
    releaseNetwork: options.releaseNetwork ?? (() => undefined),
    cgroups,
    restartBackOff: new BackOffs({ clock, ...RESTART_BACK_OFF }),
  };
}
