import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { podResources, qosClassOf } from "../containers/qos.ts";
import { isCritical } from "../eviction/plan.ts";

/**
 * Returns the pods to end so that a critical pod fits beside the rest, none when it fits already;
 * undefined when it does not fit beside those that it may not preempt. Best-effort pods go before
 * burstable and guaranteed ones, then those of lower priority, then those that request less.
 * Source: `CriticalPodAdmissionHandler`. Pure.
 */
export function choosePreempted(
  pod: Pod,
  others: readonly Pod[],
  fits: (others: Pod[]) => boolean,
): Pod[] | undefined {
  const without = (victims: readonly Pod[]) => others.filter((one) => !victims.includes(one));
  let victims = others.filter((one) => isPreemptable(pod, one)).toSorted(byWorth);
  if (!fits(without(victims))) return undefined;
  for (const worthiest of victims.toReversed()) {
    const fewer = victims.filter((one) => one !== worthiest);
    if (fits(without(fewer))) victims = fewer;
  }
  return victims;
}

const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0;

/** Whether a critical pod may end another; never a static pod whose file names no priority. */
function isPreemptable(pod: Pod, other: Pod): boolean {
  if (!isCritical(other)) return true;
  return other.spec.priority !== undefined && priorityOf(pod) > other.spec.priority;
}

const CLASSES = ["BestEffort", "Burstable", "Guaranteed"];

function byWorth(a: Pod, b: Pod): number {
  const classOf = (pod: Pod) => CLASSES.indexOf(qosClassOf(pod));
  const [ofA, ofB] = [podResources(a), podResources(b)];
  return (
    classOf(a) - classOf(b) ||
    priorityOf(a) - priorityOf(b) ||
    (ofA.memoryRequest_bytes ?? 0) - (ofB.memoryRequest_bytes ?? 0) ||
    (ofA.cpuRequest_milli ?? 0) - (ofB.cpuRequest_milli ?? 0)
  );
}
