import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/std/quantity.ts";
import type { ResizeVerdict } from "../allocation/resize-state.ts";
import { podResources } from "../containers/qos.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { admitPod } from "./admit-pod.ts";

/**
 * Decides about a resize, with upstream's messages. `desired` has the new resources, `active` are
 * the node's pods with those allocated to them. A resize that exceeds the node is infeasible, one
 * that exceeds what other pods leave is deferred. Pure.
 */
export function admitResize(
  desired: Pod,
  active: readonly Pod[],
  allocatable: Record<string, string>,
): ResizeVerdict {
  const { cpuRequest_milli: cpu = 0, memoryRequest_bytes: memory = 0 } = podResources(desired);
  const lacks = (resource: string, requested: number, capacity: number): ResizeVerdict => ({
    kind: "Infeasible",
    message:
      `Node didn't have enough capacity: ${resource}, requested: ${requested}, ` +
      `capacity: ${capacity}`,
  });
  const cpuThere = milliValueOf(allocatable["cpu"] ?? "0");
  const memoryThere = valueOf(allocatable["memory"] ?? "0");
  if (memory > memoryThere) return lacks("memory", memory, memoryThere);
  if (cpu > cpuThere) return lacks("cpu", cpu, cpuThere);
  const others = active.filter((one) => uidOf(one) !== uidOf(desired));
  try {
    admitPod(desired, others, allocatable);
  } catch (thrown) {
    if (!(thrown instanceof AdmissionError)) throw thrown;
    return { kind: "Deferred", message: thrown.message };
  }
  return { kind: "fits" };
}
