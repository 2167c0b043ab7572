import { isDeepStrictEqual } from "node:util";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import { nodeUser } from "@raft2kube/api/node-users.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { RequestSubject } from "@raft2kube/pki/certificate.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { NODE_IDENTITIES, type NodeFiles, requestFor } from "./identities.ts";

const INTERVAL_MS = 50;

type NamedNode = Pick<NodeFiles, "nodeName" | "nodeAddress">;

/**
 * Approves, until `signal` aborts, what a node asks for that no controller approves: with its token
 * to join, as the user `joins`, the kubelet's client certificate; as the kubelet, the certificate
 * that it serves with, for the name and the address that it was given, and those of its proxy, DNS
 * and provisioner. The caller acts for the person that approves.
 */
export async function approveRequests(
  client: KubeClient,
  node: NamedNode,
  joins: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const report = failureLog(logger("nodes"), "requests not approved");
  while (!signal.aborted) {
    try {
      await approvePresent(client, node, joins, signal);
      report();
    } catch (thrown) {
      if (!signal.aborted) report(thrown);
    }
    await delay(client.clock, INTERVAL_MS, signal);
  }
}

/** Approves those of a node's requests that are there now, as `approveRequests` does. */
export async function approvePresent(
  client: KubeClient,
  node: NamedNode,
  joins?: string,
  signal?: AbortSignal,
): Promise<void> {
  const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
  const { items } = await requests.listAll(given({ signal }));
  for (const request of await approvableOf(items, joins, node)) {
    const name = { name: request.metadata.name ?? "" };
    await requests.updateSubresource(name, "approval", approved(request, client.clock.now()));
  }
}

/** The requests that are this node's and not decided; one that does not parse is none. */
export async function approvableOf(
  requests: readonly CertificateSigningRequest[],
  joins: string | undefined,
  node: NamedNode,
): Promise<CertificateSigningRequest[]> {
  const { readRequest } = await import("@raft2kube/pki/certificate.ts");
  const { name: kubelet } = nodeUser("kubelet", node.nodeName);
  const found: CertificateSigningRequest[] = [];
  for (const request of requests) {
    const { signerName, username = "" } = request.spec;
    const asker = username === joins ? "token" : username === kubelet ? "kubelet" : undefined;
    if (asker === undefined || isDecided(request)) continue;
    try {
      const pem = Buffer.from(request.spec.request, "base64").toString("utf8");
      if (isApprovable(asker, signerName, await readRequest(pem), node)) found.push(request);
    } catch (thrown) {
      if (!(thrown instanceof CodedError)) throw thrown;
    }
  }
  return found;
}

const isDecided = ({ status }: CertificateSigningRequest) => (status?.conditions ?? []).length > 0;

/**
 * Whether the request is for exactly an identity that this node is meant to have: its kubelet's, by
 * its token to join; the others', by its kubelet.
 */
export function isApprovable(
  asker: "token" | "kubelet",
  signerName: string,
  subject: RequestSubject,
  node: NamedNode,
): boolean {
  const own = NODE_IDENTITIES.filter((identity) => {
    return (identity === "kubelet") === (asker === "token");
  });
  return own
    .map((identity) => requestFor(identity, node))
    .some((wanted) => {
      const { commonName, organizations = [], dnsNames = [], ipAddresses = [] } = wanted.subject;
      const exact = { commonName, organizations, dnsNames, ipAddresses, otherNames: [] };
      return wanted.signerName === signerName && isDeepStrictEqual(subject, exact);
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
