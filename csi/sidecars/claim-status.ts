import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import {
  type ClaimStatusChange,
  conditionsAfter,
} from "@raft2kube/client-kube/object/claim-conditions.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PERSISTENT_VOLUME_CLAIMS } from "@raft2kube/client-kube/rest/resources.ts";

/**
 * Patches a claim's status, and returns the claim. Fails with a conflict if the claim has changed
 * since it was read.
 */
export async function patchClaimStatus(
  client: KubeClient,
  claim: PersistentVolumeClaim,
  change: ClaimStatusChange,
  now_ms: number,
): Promise<PersistentVolumeClaim> {
  const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const { resourceVersion } = claim.metadata;
  const conditions = conditionsAfter(claim.status?.conditions ?? [], change, now_ms);
  return claims.patch({ ...nameOf(claim), subresource: "status" }, "merge", {
    metadata: { resourceVersion },
    status: { ...change.fields, conditions },
  });
}
