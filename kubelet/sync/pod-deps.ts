import type { Clock } from "@raft2kube/std/clock.ts";
import type { Allocations } from "../allocation/allocations.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import type { ImagePuller } from "../images/pull.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { SandboxNode } from "../sandbox/sandbox-config.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import type { BackOffs } from "../pods/back-off.ts";

/** Facts of the node that pods can see. */
export interface NodeFacts {
  allocatable(): NodeAllocatable;
  memory_bytes: number;
  hostIPs: string[];
}

/** Dependencies of the pod workers; one object for the whole kubelet. */
export interface PodDeps {
  clock: Clock;
  runtime: Runtime;
  /** The scheme of container ids in statuses. */
  runtimeName: string;
  events: PodEventSink;
  images: ImagePuller;
  volumes: PodVolumes;
  objects: PodObjects;
  devices: DeviceManager;
  allocations: Allocations;
  node: NodeFacts;
  paths: PodPaths;
  sandboxNode: SandboxNode;
  cgroups: PodCgroups;
  restartBackOff: BackOffs;
}
