import type { Container, ResourceList, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { milliQuantityOf, quantityOf } from "@raft2kube/std/quantity.ts";
import { withResizable } from "../allocation/resources.ts";
import { computeResources, cpuQuota_us, cpuShares } from "../containers/qos.ts";
import type { ObservedContainer, ObservedLimits } from "../cri/observed.ts";

/**
 * Returns a container's allocated resources, and those that it has: of a running one the limits
 * that the runtime reports. `before` are its resources until a resize is carried out.
 */
export function containerResourcesStatus(
  container: Container,
  observed: ObservedContainer | undefined,
  before: ResourceRequirements | undefined,
): { allocatedResources?: ResourceList; resources: ResourceRequirements } {
  const { requests } = container.resources ?? {};
  return {
    ...(requests && { allocatedResources: requests }),
    resources: actualResources(container, observed, before),
  };
}

function actualResources(
  container: Container,
  observed: ObservedContainer | undefined,
  before: ResourceRequirements | undefined,
): ResourceRequirements {
  const { resources: allocated = {} } = container;
  const running = observed?.state === "running";
  const { requests, limits } = running && before ? withResizable(allocated, before) : allocated;
  // Limits of its pod, which `before` has too, are not the container's own.
  const own =
    limits === allocated.limits
      ? limits
      : allocated.limits &&
        Object.fromEntries(
          Object.entries(limits ?? {}).filter(([name]) => allocated.limits?.[name] !== undefined),
        );
  const known = { ...(requests && { requests }), ...(own && { limits: own }) };
  if (!running || !observed.limits) return known;
  return withLimits(known, observed.limits);
}

/**
 * Replaces amounts that differ from the runtime's limits. An amount that gives the same limit keeps
 * its text: shares and quotas are rounded and have a minimum.
 */
function withLimits(
  known: Pick<ResourceRequirements, "requests" | "limits">,
  observed: ObservedLimits,
): ResourceRequirements {
  const expected = computeResources(known);
  let { requests, limits } = known;
  const { cpuShares: shares, cpuQuota, cpuPeriod, memoryLimitInBytes } = observed;
  const sharesDiffer = shares > 0 && shares !== cpuShares(expected.cpuRequest_milli);
  if (requests?.cpu !== undefined && sharesDiffer) {
    requests = { ...requests, cpu: milliQuantityOf(Math.ceil((shares * 1000) / 1024)) };
  }
  const hasQuota = cpuQuota > 0 && cpuPeriod > 0;
  if (limits?.cpu !== undefined && hasQuota && cpuQuota !== cpuQuota_us(expected.cpuLimit_milli)) {
    limits = { ...limits, cpu: milliQuantityOf(Math.floor((cpuQuota * 1000) / cpuPeriod)) };
  }
  const memory = memoryLimitInBytes;
  if (limits?.memory !== undefined && memory > 0 && memory !== expected.memoryLimit_bytes) {
    limits = { ...limits, memory: quantityOf(memory, "binary") };
  }
  return { ...(requests && { requests }), ...(limits && { limits }) };
}
