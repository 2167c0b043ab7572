import type { Amounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { addAmounts, containersAmounts, podAmounts } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { qosClassOf as qosClassOfSpec } from "@raft2kube/api/core/v1/pod/qos.ts";
import type {
  Container,
  Pod,
  PodQOSClass,
  ResourceRequirements,
} from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/std/quantity.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";

/** Returns the pod's class, which is fixed when it is created; a static pod's is computed. */
export function qosClassOf({ spec, status }: Pod): PodQOSClass {
  return status?.qosClass ?? qosClassOfSpec(spec);
}

/**
 * Returns the container's oom_score_adj, -1000 to 1000. Upstream's table by class: Guaranteed -997,
 * BestEffort 1000, Burstable by its share of memory: its request and an equal part of the pod's
 * request beyond its containers'; a sidecar has at most the score of the regular containers.
 */
export function oomScoreAdjOf(pod: Pod, container: Container, nodeMemory_bytes: number): number {
  if ((pod.spec.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY) return -997;
  const qos = qosClassOf(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const requestOf = ({ resources }: Container) =>
    computeResources(resources).memoryRequest_bytes ?? 0;
  const own = requestOf(container);
  const request = isRestartableInit(container)
    ? Math.max(own, Math.min(...pod.spec.containers.map(requestOf)))
    : own;
  const share = (1000 * (request + unassignedMemory_bytes(pod))) / nodeMemory_bytes;
  return Math.min(999, Math.max(3, 1000 - Math.floor(share)));
}

/** Returns each container's part of the memory that the pod requests beyond its containers. */
function unassignedMemory_bytes({ spec }: Pod): number {
  const ofPod = spec.resources?.requests?.memory;
  if (ofPod === undefined || valueOf(ofPod) === 0) return 0;
  const ofContainers = containersAmounts(spec, "requests")["memory"] ?? "0";
  const count = spec.containers.length + (spec.initContainers ?? []).length;
  return Math.floor((valueOf(ofPod) - valueOf(ofContainers)) / count);
}

const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

export interface ComputeResources {
  /** Thousandths of a core; undefined: no request or no limit. */
  cpuRequest_milli: number | undefined;
  cpuLimit_milli: number | undefined;
  memoryRequest_bytes: number | undefined;
  memoryLimit_bytes: number | undefined;
}

/**
 * Returns requests and limits as numbers; a request that is left out equals the limit. A limit of
 * memory is at most what a number holds exactly (9 PB): neither CRI nor the kernel takes any more.
 */
export function computeResources({
  requests,
  limits,
}: ResourceRequirements = {}): ComputeResources {
  const cpuRequest = requests?.cpu ?? limits?.cpu;
  const memoryRequest = requests?.memory ?? limits?.memory;
  const memoryLimit = limits?.memory;
  return {
    cpuRequest_milli: cpuRequest === undefined ? undefined : milliValueOf(cpuRequest),
    cpuLimit_milli: limits?.cpu === undefined ? undefined : milliValueOf(limits.cpu),
    memoryRequest_bytes: memoryRequest === undefined ? undefined : valueOf(memoryRequest),
    memoryLimit_bytes:
      memoryLimit === undefined
        ? undefined
        : Math.min(valueOf(memoryLimit), Number.MAX_SAFE_INTEGER),
  };
}

const COMPUTE = ["cpu", "memory"] as const;

const isLimited = (resources: ResourceRequirements | undefined, name: string): boolean =>
  valueOf(resources?.limits?.[name] ?? "0") > 0;

/** Returns a container's resources, with its pod's limits of cpu and memory where it has none. */
export function effectiveResources(
  { spec }: Pod,
  { resources = {} }: Container,
): ResourceRequirements {
  const inherited = COMPUTE.filter(
    (name) => isLimited(spec.resources, name) && !isLimited(resources, name),
  );
  if (inherited.length === 0) return resources;
  const ofPod = inherited.map((name) => [name, spec.resources!.limits![name]!]);
  return { ...resources, limits: { ...resources.limits, ...Object.fromEntries(ofPod) } };
}

export interface PodRequirements {
  readonly requests: Readonly<Amounts>;
  readonly limits: Readonly<Amounts>;
}

/** Sums are kept: each status, and each admission of another pod, asks for them. */
const known = new WeakMap<Pod["spec"], PodRequirements>();

/**
 * Returns the requests and limits of a pod with its overhead, as its cgroup has them: there is a
 * limit of cpu or memory if the pod itself has one, or each of its containers.
 */
export function podRequirements({ spec }: Pod): PodRequirements {
  const requirements = known.get(spec) ?? requirementsOf(spec);
  known.set(spec, requirements);
  return requirements;
}

function requirementsOf(spec: Pod["spec"]): PodRequirements {
  const { overhead = {} } = spec;
  const requests = podAmounts(spec, "requests");
  addAmounts(requests, overhead);
  const limits = podAmounts(spec, "limits");
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  for (const name of COMPUTE) {
    const all = containers.every(({ resources }) => isLimited(resources, name));
    if (!all && !isLimited(spec.resources, name)) delete limits[name];
  }
  for (const [name, amount] of Object.entries(overhead)) {
    if (limits[name] !== undefined) addAmounts(limits, { [name]: amount });
  }
  return { requests, limits };
}

/** Returns the pod's requests and limits as numbers. */
export const podResources = (pod: Pod): ComputeResources => computeResources(podRequirements(pod));

/** Returns the larger of two requests and limits; no limit is the largest. */
export function largest(a: ComputeResources, b: ComputeResources): ComputeResources {
  const request = (x: number | undefined, y: number | undefined) =>
    x === undefined ? y : y === undefined ? x : Math.max(x, y);
  const limit = (x: number | undefined, y: number | undefined) =>
    x === undefined || y === undefined ? undefined : Math.max(x, y);
  return {
    cpuRequest_milli: request(a.cpuRequest_milli, b.cpuRequest_milli),
    cpuLimit_milli: limit(a.cpuLimit_milli, b.cpuLimit_milli),
    memoryRequest_bytes: request(a.memoryRequest_bytes, b.memoryRequest_bytes),
    memoryLimit_bytes: limit(a.memoryLimit_bytes, b.memoryLimit_bytes),
  };
}

/** cgroup v1 `cpu.shares` for a request; 2 is the kernel's least (upstream's MilliCPUToShares). */
export function cpuShares(request_milli: number | undefined): number {
  return Math.min(262_144, Math.max(2, Math.floor(((request_milli ?? 0) * 1024) / 1000)));
}

/** Returns the least request that has these shares; the least shares are those of no request. */
export function cpuRequest_milli(shares: number): number {
  return shares <= 2 ? 0 : Math.ceil((shares * 1000) / 1024);
}

/** CFS period in microseconds, the kernel's own default. */
export const CPU_PERIOD_US = 100_000;

/** The kernel's largest quota (MAX_BW in kernel/sched): that of 175,921,860 CPUs. */
const CPU_QUOTA_US_MAX = 2 ** 44 - 1;

/** Returns the CFS quota in microseconds, within the kernel's bounds (from 1 ms); -1: no limit. */
export function cpuQuota_us(limit_milli: number | undefined): number {
  if (limit_milli === undefined || limit_milli === 0) return -1;
  const quota_us = Math.floor((limit_milli * CPU_PERIOD_US) / 1000);
  return Math.min(CPU_QUOTA_US_MAX, Math.max(1_000, quota_us));
}
