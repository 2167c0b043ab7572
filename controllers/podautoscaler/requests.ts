import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf } from "@raft2kube/std/quantity.ts";
import { MetricError } from "./metric-error.ts";

/**
 * Returns each pod's request of a resource, in thousandths: the pod's own request where it has any,
 * else the sum over its containers and sidecars, or one container's. Throws `MetricError` when a
 * container has none: there is no share of nothing.
 */
export function requestsOf(
  pods: readonly Pod[],
  resource: string,
  container: string,
): Map<string, number> {
  return new Map(
    pods.map((pod) => [
      pod.metadata.name ?? "",
      container === "" && hasOwnRequests(pod)
        ? podRequest(pod, resource)
        : containersRequest(pod, resource, container),
    ]),
  );
}

const isPodResource = (name: string): boolean =>
  name === "cpu" || name === "memory" || name.startsWith("hugepages-");

function hasOwnRequests({ spec }: Pod): boolean {
  return Object.keys(spec.resources?.requests ?? {}).some(isPodResource);
}

/** Requests of a pod with the overhead of its runtime class (KEP 2837). */
function podRequest({ metadata, spec }: Pod, resource: string): number {
  const own = spec.resources?.requests?.[resource];
  if (own === undefined) {
    throw new MetricError(`missing pod-level request for ${resource} in Pod ${metadata.name}`);
  }
  return milliValueOf(own) + milliValueOf(spec.overhead?.[resource] ?? "0");
}

function containersRequest({ metadata, spec }: Pod, resource: string, only: string): number {
  const sidecars = (spec.initContainers ?? []).filter((each) => each.restartPolicy === "Always");
  const all = [...spec.containers, ...sidecars];
  const counted = only === "" ? all : all.filter(({ name }) => name === only);
  if (only !== "" && counted.length === 0) {
    throw new MetricError(`container ${only} not found in Pod ${metadata.name}`);
  }
  return counted.reduce((sum, { name, resources }) => {
    const request = resources?.requests?.[resource];
    if (request !== undefined) return sum + milliValueOf(request);
    const where = `container ${name} of Pod ${metadata.name}`;
    throw new MetricError(`missing request for ${resource} in ${where}`);
  }, 0);
}
