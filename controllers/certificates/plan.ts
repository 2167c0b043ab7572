import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from "@raft2kube/api/gen/certificates/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import type { RequestSubject, Usage } from "@raft2kube/pki/certificate.ts";
import { dnsSubdomain } from "@raft2kube/std/names.ts";

export const CLIENT = "kubernetes.io/kube-apiserver-client";
export const KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet";
export const KUBELET_SERVING = "kubernetes.io/kubelet-serving";

const NODE_PREFIX = "system:node:";
const NODES_GROUP = "system:nodes";
const HOUR_MS = 3_600_000;
const DAY_S = 86_400;

/** Life of a certificate that asks for none, the least and the most it may ask for (upstream's). */
const LIFE_S = 365 * DAY_S;
const LIFE_LEAST_S = 600;

/** How long requests are kept after they were decided, or while they are not. */
const DECIDED_KEPT_MS = HOUR_MS;
const PENDING_KEPT_MS = 24 * HOUR_MS;

export function conditionOf(
  { status }: CertificateSigningRequest,
  type: string,
): CertificateSigningRequestCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** The permission that lets a kubelet's request be approved without a person. */
export type AutoApproval = { subresource: "selfnodeclient" | "nodeclient"; message: string };

/** The node in whose name another user asks for a kubelet's client certificate. */
export function joiningNode(
  { spec }: CertificateSigningRequest,
  { commonName }: RequestSubject,
): string | undefined {
  const isOwn = spec.username === commonName || !commonName.startsWith(NODE_PREFIX);
  return isOwn ? undefined : commonName.slice(NODE_PREFIX.length);
}

/**
 * The permissions to ask for, the narrower one first: to renew the own certificate, or, for a
 * joining node, to get a first one. Empty for all that only a person may approve.
 */
export function autoApprovals(
  { spec }: CertificateSigningRequest,
  subject: RequestSubject,
): AutoApproval[] {
  if (spec.signerName !== KUBELET_CLIENT) return [];
  if (signingProblem(KUBELET_CLIENT, subject, spec.usages ?? []) !== undefined) return [];
  const approvals: AutoApproval[] = [];
  if (spec.username === subject.commonName) {
    const message = "Auto approving self kubelet client certificate after SubjectAccessReview.";
    approvals.push({ subresource: "selfnodeclient", message });
  }
  const message = "Auto approving kubelet client certificate after SubjectAccessReview.";
  return [...approvals, { subresource: "nodeclient", message }];
}

/**
 * Returns why a signer does not sign a request; undefined if it does: KEP-1513's rules, and a name
 * that a Node can have.
 */
export function signingProblem(
  signerName: string,
  subject: RequestSubject,
  usages: readonly string[],
): string | undefined {
  const { commonName, organizations, dnsNames, ipAddresses, otherNames } = subject;
  const wanted = signerName === KUBELET_SERVING ? "server auth" : "client auth";
  const allowed = new Set([wanted, "digital signature", "key encipherment"]);
  if (!usages.includes(wanted)) return `usages must include "${wanted}"`;
  const foreign = usages.find((usage) => !allowed.has(usage));
  if (foreign !== undefined) return `usage "${foreign}" is not allowed`;
  if (signerName === CLIENT) return undefined;
  if (organizations.length !== 1 || organizations[0] !== NODES_GROUP) {
    return `organization must be exactly ${NODES_GROUP}`;
  }
  const node = commonName.slice(NODE_PREFIX.length);
  if (!commonName.startsWith(NODE_PREFIX) || dnsSubdomain(node).length > 0) {
    return `common name must be ${NODE_PREFIX}NAME`;
  }
  if (otherNames.length > 0) return `alternative name ${otherNames[0] ?? ""} is not allowed`;
  const named = dnsNames.length + ipAddresses.length;
  if (signerName === KUBELET_SERVING) {
    return named > 0 ? undefined : "a DNS name or an IP address is required";
  }
  return named === 0 ? undefined : "alternative names are not allowed";
}

/** The extended key usages and the life, in days, of the certificate to issue. */
export function certificateTerms({ spec }: CertificateSigningRequest): {
  usages: Usage[];
  days: number;
} {
  const asked_s = spec.expirationSeconds ?? LIFE_S;
  const life_s = Math.min(LIFE_S, Math.max(LIFE_LEAST_S, asked_s));
  const usages: Usage[] = [];
  if (spec.usages?.includes("client auth")) usages.push("client");
  if (spec.usages?.includes("server auth")) usages.push("server");
  return { usages, days: life_s / DAY_S };
}

/**
 * Milliseconds until a request is removed; 0 or less: now. One that is approved and has no
 * certificate yet is pending from its approval on.
 */
export function keptFor(request: CertificateSigningRequest, now_ms: number): number {
  const approved = conditionOf(request, "Approved");
  const decided =
    conditionOf(request, "Denied") ??
    conditionOf(request, "Failed") ??
    (request.status?.certificate ? approved : undefined);
  const since = (decided ?? approved)?.lastUpdateTime ?? request.metadata.creationTimestamp;
  const kept_ms = decided ? DECIDED_KEPT_MS : PENDING_KEPT_MS;
  return (timeOf(since) ?? now_ms) + kept_ms - now_ms;
}
