import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { qosClassOf } from "../containers/qos.ts";
import { uidOf } from "../pods/pod-identity.ts";

/** `<root>/burstable/pod<uid>`: a pod's cgroup, relative to each hierarchy's mount. */
export function podCgroup(root: string, pod: Pod): string {
  return `${root}/${qosClassOf(pod).toLowerCase()}/pod${uidOf(pod)}`;
}
