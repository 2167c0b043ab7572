import type { Pod, PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { isNamespaceTerminating, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Expectations } from "./expectations.ts";

/** The parts that create and delete pods. */
export interface PodControl {
  pods: ResourceClient<Pod>;
  expectations: Expectations;
  recorder: EventRecorder;
}

/** The type of an owner, as references to it say it. */
export type OwnerType = { apiVersion: string; kind: string };

/** The pod that a template describes, controlled by `owner` and named after it. */
export function podFromTemplate(
  owner: KubeObject,
  type: OwnerType,
  template: PodTemplateSpec | undefined,
): Pod {
  const { metadata = {}, spec } = template ?? {};
  const { labels, annotations, finalizers } = metadata;
  const pod: Pod = {
    metadata: {
      namespace: owner.metadata.namespace,
      generateName: `${owner.metadata.name ?? ""}-`,
      ownerReferences: [controllerReference(owner, type)],
    },
    spec: spec ?? { containers: [] },
  };
  if (labels) pod.metadata.labels = labels;
  if (annotations) pod.metadata.annotations = annotations;
  if (finalizers) pod.metadata.finalizers = finalizers;
  return pod;
}

/**
 * Creates `count` pods, `podOf(place)` each, in batches of 1, 2, 4 ..., so that a refusal (quota,
 * bad template) costs one request and not hundreds. Each is expected in the informer. Returns how
 * many were created and the first error; a namespace that is being deleted is none.
 */
export async function createPods(
  control: PodControl,
  owner: KubeObject,
  count: number,
  podOf: (place: number) => Pod,
): Promise<{ done: number; error?: unknown }> {
  let place = 0;
  const { done, error } = await slowStart(count, () => createPod(control, owner, podOf(place++)));
  for (let i = done; i < count; i++) control.expectations.creationObserved(owner);
  return isNamespaceTerminating(error) ? { done } : { done, error };
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

async function createPod(control: PodControl, owner: KubeObject, pod: Pod): Promise<void> {
  try {
    const { metadata } = await control.pods.create(pod);
    const message = `Created pod: ${metadata.name ?? ""}`;
    control.recorder.record(owner, "Normal", "SuccessfulCreate", message);
  } catch (thrown) {
    if (!isNamespaceTerminating(thrown)) {
      const message = `Error creating: ${messageOf(thrown)}`;
      control.recorder.record(owner, "Warning", "FailedCreate", message);
    }
    throw thrown;
  }
}

/**
 * Deletes a pod that was expected to go, after `prepare`. Returns the error, undefined also when
 * the pod was gone already.
 */
export async function deletePod(
  control: PodControl,
  owner: KubeObject,
  pod: Pod,
  prepare?: () => Promise<void>,
): Promise<unknown> {
  try {
    await prepare?.();
    await control.pods.delete(nameOf(pod), { preconditions: { uid: pod.metadata.uid } });
    const message = `Deleted pod: ${pod.metadata.name ?? ""}`;
    control.recorder.record(owner, "Normal", "SuccessfulDelete", message);
    return undefined;
  } catch (thrown) {
    control.expectations.deletionObserved(owner, keyOf(pod));
    if (isNotFound(thrown)) return undefined;
    const message = `Error deleting: ${messageOf(thrown)}`;
    control.recorder.record(owner, "Warning", "FailedDelete", message);
    return thrown;
  }
}
