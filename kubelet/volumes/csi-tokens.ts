import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { TOKEN_SECONDS } from "./projection.ts";

/** The key under which a driver finds the tokens, as JSON by their audiences. */
const TOKENS = "csi.storage.k8s.io/serviceAccount.tokens";

/** Additions to the NodePublishVolume request of a driver that requests tokens. */
export interface DriverTokens {
  volumeContext: Record<string, string>;
  secrets: Record<string, string>;
}

/**
 * Returns the tokens of the pod's service account that a CSIDriver requests: among the secrets if
 * it says so, else in the volume's context, which drivers may log.
 */
export async function driverTokens(
  pod: Pod,
  object: CSIDriver | undefined,
  issue: PodObjects["token"],
): Promise<DriverTokens> {
  const { tokenRequests = [], serviceAccountTokenInSecrets = false } = object?.spec ?? {};
  if (tokenRequests.length === 0) return { volumeContext: {}, secrets: {} };
  const issued = tokenRequests.map(async ({ audience, expirationSeconds = TOKEN_SECONDS }) => {
    const audiences = audience === "" ? [] : [audience];
    const { token, expires_ms } = await issue(pod, { audiences, expirationSeconds });
    return [audience, { token, expirationTimestamp: timeText(expires_ms) }] as const;
  });
  const tokens = { [TOKENS]: JSON.stringify(Object.fromEntries(await Promise.all(issued))) };
  return serviceAccountTokenInSecrets
    ? { volumeContext: {}, secrets: tokens }
    : { volumeContext: tokens, secrets: {} };
}
