import type { ObjectReference, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { containersOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";

const LISTS = {
  init: "initContainers",
  regular: "containers",
  ephemeral: "ephemeralContainers",
} as const;

/** Records events of pods in the API. */
export const apiPodEvents = (recorder: EventRecorder): PodEventSink => ({
  record(pod, type, reason, message, container) {
    recorder.record(referenceTo(pod, container), type, reason, message);
  },
});

function referenceTo(pod: Pod, container: string | undefined): ObjectReference {
  const found = containersOf(pod).find((one) => one.container.name === container);
  const fieldPath = found ? `spec.${LISTS[found.kind]}{${container}}` : undefined;
  return {
    apiVersion: "v1",
    kind: "Pod",
    namespace: namespaceOf(pod),
    name: nameOf(pod),
    uid: uidOf(pod),
    ...(pod.metadata.resourceVersion ? { resourceVersion: pod.metadata.resourceVersion } : {}),
    ...(fieldPath ? { fieldPath } : {}),
  };
}
