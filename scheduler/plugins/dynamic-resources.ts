import type { Pod, PodResourceClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/store.ts";
import { type Plugin, unfit } from "../framework.ts";

/**
 * Devices are not allocated by claims here: a pod that asks for some waits, and its condition and
 * events say for each of its claims whether it is missing or only not allocated.
 */
export function dynamicResources(claims: ReadStore<ResourceClaim>): Plugin {
  return {
    name: "DynamicResources",
    weight: 0,
    events: ["resource-claims"],
    consider({ pod }) {
      const asked = pod.spec.resourceClaims ?? [];
      if (asked.length === 0) return {};
      return { reject: unfit(...asked.map((each) => whyNot(claims, pod, each))) };
    },
  };
}

function whyNot(claims: ReadStore<ResourceClaim>, pod: Pod, asked: PodResourceClaim): string {
  const entry = `(spec.resourceClaims: ${asked.name})`;
  const { resourceClaimName: name, resourceClaimTemplateName: template = "" } = asked;
  if (name === undefined) {
    return `no claim is made from resourceclaimtemplate "${template}" here ${entry}`;
  }
  if (claims.get(`${pod.metadata.namespace}/${name}`) === undefined) {
    return `resourceclaim "${name}" not found ${entry}`;
  }
  return `resourceclaim "${name}" cannot be allocated: no devices are allocated here ${entry}`;
}
