import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isNamespaceTerminating, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { Expectations } from "../expectations.ts";
import type { ReplicaFailure, ReplicasPlan } from "./plan.ts";

export const REPLICA_SET_TYPE = { apiVersion: "apps/v1", kind: "ReplicaSet" };

/** What acting on pods needs. */
export interface PodControl {
  pods: ResourceClient<Pod>;
  expectations: Expectations;
  recorder: EventRecorder;
}

/** The pod that a ReplicaSet's template describes, owned by it. */
export function podFromTemplate(replicaSet: ReplicaSet): Pod {
  const { metadata = {}, spec } = replicaSet.spec.template ?? {};
  const { labels, annotations, finalizers } = metadata;
  const pod: Pod = {
    metadata: {
      namespace: replicaSet.metadata.namespace,
      generateName: `${replicaSet.metadata.name ?? ""}-`,
      ownerReferences: [controllerReference(replicaSet, REPLICA_SET_TYPE)],
    },
    spec: spec ?? { containers: [] },
  };
  if (labels) pod.metadata.labels = labels;
  if (annotations) pod.metadata.annotations = annotations;
  if (finalizers) pod.metadata.finalizers = finalizers;
  return pod;
}

/**
 * Carries out a plan. Creates in batches of 1, 2, 4 ..., so that a refusal (quota, bad template)
 * costs one request and not hundreds. Gives the failure to show in the status and the error to try
 * again.
 */
export async function applyReplicas(
  control: PodControl,
  replicaSet: ReplicaSet,
  plan: ReplicasPlan,
): Promise<{ failure: ReplicaFailure; error: unknown } | undefined> {
  const key = keyOf(replicaSet);
  if (plan.create > 0) {
    control.expectations.expectCreations(key, plan.create);
    const { done, error } = await slowStart(plan.create, () => createPod(control, replicaSet));
    for (let i = done; i < plan.create; i++) control.expectations.creationObserved(key);
    if (error === undefined || isNamespaceTerminating(error)) return undefined;
    return { failure: { reason: "FailedCreate", message: messageOf(error) }, error };
  }
  if (plan.delete.length === 0) return undefined;
  control.expectations.expectDeletions(key, plan.delete.map(keyOf));
  const results = plan.delete.map((pod) => deletePod(control, replicaSet, pod));
  const error = (await Promise.all(results)).find((result) => result !== undefined);
  if (error === undefined) return undefined;
  return { failure: { reason: "FailedDelete", message: messageOf(error) }, error };
}

/** Calls `act` `count` times in doubling batches; stops after a batch with a failure. */
export async function slowStart(
  count: number,
  act: () => Promise<void>,
): Promise<{ done: number; error?: unknown }> {
  let done = 0;
  for (let batch = 1; done < count; batch *= 2) {
    const size = Math.min(batch, count - done);
    const results = await Promise.allSettled(Array.from({ length: size }, act));
    const failed = results.filter((result) => result.status === "rejected");
    done += size - failed.length;
    if (failed[0]) return { done, error: failed[0].reason as unknown };
  }
  return { done };
}

async function createPod(control: PodControl, replicaSet: ReplicaSet): Promise<void> {
  try {
    const pod = await control.pods.create(podFromTemplate(replicaSet));
    const message = `Created pod: ${pod.metadata.name ?? ""}`;
    control.recorder.record(replicaSet, "Normal", "SuccessfulCreate", message);
  } catch (thrown) {
    if (!isNamespaceTerminating(thrown)) {
      const message = `Error creating: ${messageOf(thrown)}`;
      control.recorder.record(replicaSet, "Warning", "FailedCreate", message);
    }
    throw thrown;
  }
}

async function deletePod(control: PodControl, replicaSet: ReplicaSet, pod: Pod): Promise<unknown> {
  try {
    await control.pods.delete(nameOf(pod), { preconditions: { uid: pod.metadata.uid } });
    const message = `Deleted pod: ${pod.metadata.name ?? ""}`;
    control.recorder.record(replicaSet, "Normal", "SuccessfulDelete", message);
    return undefined;
  } catch (thrown) {
    control.expectations.deletionObserved(keyOf(replicaSet), keyOf(pod));
    if (isNotFound(thrown)) return undefined;
    const message = `Error deleting: ${messageOf(thrown)}`;
    control.recorder.record(replicaSet, "Warning", "FailedDelete", message);
    return thrown;
  }
}
