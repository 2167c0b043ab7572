import type { Secret } from "@raft2kube/api/gen/core/v1.ts";

const TYPE = "bootstrap.kubernetes.io/token";
const NAMESPACE = "kube-system";

/** The Secrets that can be bootstrap tokens. */
export const BOOTSTRAP_TOKENS = { namespace: NAMESPACE, fieldSelector: `type=${TYPE}` };

/**
 * When a bootstrap token expires; undefined for one without an end and for other Secrets. One whose
 * end cannot be read has expired, as the apiserver has it.
 */
export function expiresAt_ms({ metadata, type, data }: Secret): number | undefined {
  if (type !== TYPE || metadata.namespace !== NAMESPACE) return undefined;
  const text = Buffer.from(data?.expiration ?? "", "base64").toString("utf8");
  if (text === "") return undefined;
  const at_ms = Date.parse(text);
  return Number.isNaN(at_ms) ? 0 : at_ms;
}
