import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, parseQuantity, valueOf } from "@raft2kube/std/quantity.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const COMPUTE = ["cpu", "memory"] as const;

/**
 * Returns the pod's quality-of-service class. Guaranteed: every container has limits of cpu and
 * memory and requests the same; BestEffort: no container requests either. Source: API reference,
 * `status.qosClass`.
 */
export function qosClassOf(pod: Pod): QosClass {
  if (pod.status?.qosClass) return pod.status.qosClass as QosClass;
  const containers = [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const name of COMPUTE) {
      const limit = positive(resources?.limits?.[name]);
      const request = positive(resources?.requests?.[name]) ?? limit;
      if (request !== undefined || limit !== undefined) any = true;
      if (limit === undefined || request !== limit) guaranteed = false;
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

function positive(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const { nanos } = parseQuantity(text);
  return nanos > 0n ? nanos : undefined;
}

/**
 * Returns the container's oom_score_adj, -1000 to 1000. Upstream's table by class: Guaranteed -997,
 * BestEffort 1000, Burstable by its share of memory.
 */
export function oomScoreAdjOf(pod: Pod, container: Container, nodeMemory_bytes: number): number {
  if ((pod.spec.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY) return -997;
  const qos = qosClassOf(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const request = container.resources?.requests?.memory ?? container.resources?.limits?.memory;
  const share = (1000 * (request ? valueOf(request) : 0)) / nodeMemory_bytes;
  return Math.min(999, Math.max(3, Math.floor(1000 - share)));
}

const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

export interface ComputeResources {
  /** Thousandths of a core; undefined: no request or no limit. */
  cpuRequest_milli: number | undefined;
  cpuLimit_milli: number | undefined;
  memoryRequest_bytes: number | undefined;
  memoryLimit_bytes: number | undefined;
}

/** Returns one container's requests and limits; a request that is left out equals the limit. */
export function containerResources(container: Container): ComputeResources {
  const { requests, limits } = container.resources ?? {};
  const cpuRequest = requests?.cpu ?? limits?.cpu;
  const memoryRequest = requests?.memory ?? limits?.memory;
  return {
    cpuRequest_milli: cpuRequest === undefined ? undefined : milliValueOf(cpuRequest),
    cpuLimit_milli: limits?.cpu === undefined ? undefined : milliValueOf(limits.cpu),
    memoryRequest_bytes: memoryRequest === undefined ? undefined : valueOf(memoryRequest),
    memoryLimit_bytes: limits?.memory === undefined ? undefined : valueOf(limits.memory),
  };
}

/**
 * Returns the pod's requests and limits: containers and sidecars together, or the largest init
 * container if that is more, plus overhead. A limit is undefined when one container has none.
 */
export function podResources(pod: Pod): ComputeResources {
  const main = (pod.spec.containers ?? []).map(containerResources);
  let sidecars: ComputeResources[] = [];
  let steps: ComputeResources[] = [];
  for (const container of pod.spec.initContainers ?? []) {
    const own = containerResources(container);
    steps.push(sum([...sidecars, own]));
    if (container.restartPolicy === "Always") sidecars = [...sidecars, own];
  }
  const running = sum([...main, ...sidecars]);
  const whole = steps.reduce(largest, running);
  const overhead = pod.spec.overhead ?? {};
  const cpu = overhead.cpu === undefined ? 0 : milliValueOf(overhead.cpu);
  const memory = overhead.memory === undefined ? 0 : valueOf(overhead.memory);
  return {
    cpuRequest_milli: plus(whole.cpuRequest_milli, cpu),
    cpuLimit_milli: plus(whole.cpuLimit_milli, cpu),
    memoryRequest_bytes: plus(whole.memoryRequest_bytes, memory),
    memoryLimit_bytes: plus(whole.memoryLimit_bytes, memory),
  };
}

function plus(value: number | undefined, extra: number): number | undefined {
  return value === undefined ? undefined : value + extra;
}

function sum(list: ComputeResources[]): ComputeResources {
  const requests = (values: (number | undefined)[]) =>
    values.some((value) => value !== undefined)
      ? values.reduce<number>((total, value) => total + (value ?? 0), 0)
      : undefined;
  const limits = (values: (number | undefined)[]) =>
    values.every((value) => value !== undefined) && values.length > 0
      ? values.reduce<number>((total, value) => total + (value ?? 0), 0)
      : undefined;
  return {
    cpuRequest_milli: requests(list.map((one) => one.cpuRequest_milli)),
    cpuLimit_milli: limits(list.map((one) => one.cpuLimit_milli)),
    memoryRequest_bytes: requests(list.map((one) => one.memoryRequest_bytes)),
    memoryLimit_bytes: limits(list.map((one) => one.memoryLimit_bytes)),
  };
}

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

/** CFS period in microseconds, the kernel's own default. */
export const CPU_PERIOD_US = 100_000;

/** Returns the CFS quota in microseconds, at least 1 ms (the kernel's minimum); -1: no limit. */
export function cpuQuota_us(limit_milli: number | undefined): number {
  if (limit_milli === undefined || limit_milli === 0) return -1;
  return Math.max(1_000, Math.floor((limit_milli * CPU_PERIOD_US) / 1000));
}
