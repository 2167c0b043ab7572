import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { createPods, deletePod, type PodControl } from "../pod-control.ts";
import type { ReplicaFailure, ReplicasPlan } from "./plan.ts";

/**
 * Carries out a plan. Returns the failure to show in the status and the error to try again.
 */
export async function applyReplicas(
  control: PodControl,
  owner: KubeObject,
  plan: ReplicasPlan,
  podOf: () => Pod,
): Promise<{ failure: ReplicaFailure; error: unknown } | undefined> {
  if (plan.create > 0) {
    control.expectations.expect(owner, plan.create, []);
    const { error } = await createPods(control, owner, plan.create, podOf);
    if (error === undefined) return undefined;
    return { failure: { reason: "FailedCreate", message: messageOf(error) }, error };
  }
  if (plan.delete.length === 0) return undefined;
  control.expectations.expect(owner, 0, plan.delete.map(keyOf));
  const results = plan.delete.map((pod) => deletePod(control, owner, pod));
  const error = (await Promise.all(results)).find((result) => result !== undefined);
  if (error === undefined) return undefined;
  return { failure: { reason: "FailedDelete", message: messageOf(error) }, error };
}
