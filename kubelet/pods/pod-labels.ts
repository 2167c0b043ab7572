import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf, namespaceOf, uidOf } from "./pod-identity.ts";

/** Labels by which a restarted kubelet finds its sandboxes and containers (upstream's names). */
export const POD_NAME_LABEL = "io.kubernetes.pod.name";
export const POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
export const POD_UID_LABEL = "io.kubernetes.pod.uid";

/** Returns the labels of a pod's sandbox and containers. */
export const podLabels = (pod: Pod): Record<string, string> => ({
  [POD_NAME_LABEL]: nameOf(pod),
  [POD_NAMESPACE_LABEL]: namespaceOf(pod),
  [POD_UID_LABEL]: uidOf(pod),
});
