import { isDeepStrictEqual } from "node:util";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { RequestSubject } from "@raft2kube/pki/certificate.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../cluster/config.ts";
import { NODE_USERS, kubeletCertificate, userRequest } from "../cluster/identities.ts";

const INTERVAL_MS = 50;

/**
 * Approves, until `signal` aborts, what a node asks for that no controller approves (as upstream,
 * only the kubelet's client certificate is approved without a person): the certificate that its
 * kubelet serves with, for the name and the address that it was given, and those of its proxy, DNS
 * and provisioner. The person is the user of `r2k start` or `r2k node`.
 */
export async function approveRequests(
  client: KubeClient,
  node: ClusterConfig,
  signal: AbortSignal,
): Promise<void> {
  const { readRequest } = await import("@raft2kube/pki/certificate.ts");
  const requests = client.resource<CertificateSigningRequest>(CERTIFICATE_SIGNING_REQUESTS);
  const log = logger("nodes");
  while (!signal.aborted) {
    try {
      const { items } = await requests.listAll({ signal });
      for (const request of items.filter((item) => !isDecided(item) && isOf(item, node))) {
        const pem = Buffer.from(request.spec.request, "base64").toString("utf8");
        if (!isApprovable(request.spec.signerName, await readRequest(pem), node)) continue;
        const name = { name: request.metadata.name ?? "" };
        await requests.updateSubresource(name, "approval", approved(request, client.clock.now()));
      }
    } catch (thrown) {
      if (!signal.aborted) log.warn("requests not approved, trying again", { err: thrown });
    }
    await delay(client.clock, INTERVAL_MS, signal);
  }
}

const isDecided = ({ status }: CertificateSigningRequest) => (status?.conditions ?? []).length > 0;

const isOf = ({ spec }: CertificateSigningRequest, { nodeName }: ClusterConfig) =>
  spec.username === `system:node:${nodeName}`;

/** Whether the request is for exactly an identity that this node is meant to have. */
export function isApprovable(
  signerName: string,
  subject: RequestSubject,
  node: ClusterConfig,
): boolean {
  const wanted = signerName === "kubernetes.io/kubelet-serving"
    ? [kubeletCertificate(node)]
    : signerName === "kubernetes.io/kube-apiserver-client"
      ? NODE_USERS.filter((user) => user !== "kubelet").map((user) => userRequest(user, node))
      : [];
  return wanted.some((one) => {
    const { commonName, organizations = [], dnsNames = [], ipAddresses = [] } = one;
    const exact = { commonName, organizations, dnsNames, ipAddresses, otherNames: [] };
    return isDeepStrictEqual(subject, exact);
  });
}

function approved(request: CertificateSigningRequest, now_ms: number): CertificateSigningRequest {
  const now = timeText(now_ms);
  const condition = {
    type: "Approved",
    status: "True",
    reason: "NodeAdded",
    message: "An identity of a node that r2k has added.",
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  return { ...request, status: { ...request.status, conditions: [condition] } };
}
