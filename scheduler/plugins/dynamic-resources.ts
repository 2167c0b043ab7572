import type { Pod, PodResourceClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import type { PreFilterPlugin } from "../framework/plugin.ts";
import { unresolvable } from "../framework/status.ts";

/**
 * Rejects pods with resource claims, since nothing allocates devices by claims. The reasons say of
 * each claim whether it is missing or not allocated.
 */
export const dynamicResources = (claims: ReadStore<ResourceClaim>): PreFilterPlugin => ({
  name: "DynamicResources",
  events: ["ResourceClaimUpdate"],
  preFilter(_state, { pod }) {
    const entries = pod.spec.resourceClaims ?? [];
    if (entries.length === 0) return undefined;
    return unresolvable(...entries.map((entry) => reasonOf(claims, pod, entry)));
  },
});

function reasonOf(claims: ReadStore<ResourceClaim>, pod: Pod, claim: PodResourceClaim): string {
  const entry = `(spec.resourceClaims: ${claim.name})`;
  const { resourceClaimName: name, resourceClaimTemplateName: template = "" } = claim;
  if (name === undefined) {
    return `no claim is made from resourceclaimtemplate "${template}" here ${entry}`;
  }
  if (claims.get(`${pod.metadata.namespace}/${name}`) === undefined) {
    return `resourceclaim "${name}" not found ${entry}`;
  }
  return `resourceclaim "${name}" cannot be allocated: no devices are allocated here ${entry}`;
}
