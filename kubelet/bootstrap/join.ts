import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { createRequest, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import {
  dueIdentities,
  type IdentityRequest,
  type NodeFiles,
  type NodeIdentity,
  requestFor,
} from "./identities.ts";

/** How long a request may take to be approved and signed, and how often it is looked at. */
const SIGNED_TIMEOUT_MS = 45_000;
const SIGNED_INTERVAL_MS = 50;

const REFUSALS = ["Denied", "Failed"];

/**
 * Gets a node's certificates from the cluster: TLS bootstrap over the network alone. With the token
 * in `bootstrap` it asks for the kubelet's certificate, and as the kubelet for the others.
 */
export async function joinCluster(node: NodeFiles, clock: Clock): Promise<void> {
  const due = (await dueIdentities(node, clock.now())).map(({ identity }) => identity);
  const own = node.kubeconfig("kubelet");
  if (due.includes("kubelet")) {
    const joins = (await readIfPresent(node.bootstrap)) !== undefined;
    await obtain(node, joins ? node.bootstrap : own, ["kubelet"], clock);
  }
  await obtain(
    node,
    own,
    due.filter((identity) => identity !== "kubelet"),
    clock,
  );
  await rm(node.bootstrap, { force: true });
}

/** Requests certificates as the user of a kubeconfig, concurrently, and writes them. */
async function obtain(
  node: NodeFiles,
  as: string,
  identities: readonly NodeIdentity[],
  clock: Clock,
): Promise<void> {
  if (identities.length === 0) return;
  const { server, ca } = await readKubeconfig(as);
  if (ca === undefined) throw new CodedError("NO_CA", `${as} has no certificate authority`);
  const client = new KubeClient({ ...(await kubeConnection(as)), clock, userAgent: "r2k-join" });
  try {
    await replaceFile(node.pair("ca").cert, ca, { mode: 0o644 });
    await Promise.all(
      identities.map(async (identity) => {
        const pair = await signed(client, requestFor(identity, node));
        if (identity === "kubelet-serving") {
          const paths = node.pair("kubelet");
          await replaceFile(paths.key, pair.key, { mode: 0o600 });
          return replaceFile(paths.cert, pair.cert, { mode: 0o644 });
        }
        const text = kubeconfig(node.clusterName, { server, ca, ...pair }, "json");
        return replaceFile(node.kubeconfig(identity), text, { mode: 0o600 });
      }),
    );
  } finally {
    client.close();
  }
}

/** Creates a request and waits until it is approved and signed; the key stays on this machine. */
export async function signed(
  client: KubeClient,
  { signerName, usages, subject }: IdentityRequest,
): Promise<KeyPair> {
  const { csr, key } = await createRequest(subject);
  const requests = client.resource<CertificateSigningRequest>(CERTIFICATE_SIGNING_REQUESTS);
  const name = `node-csr-${randomUUID()}`;
  await requests.create({
    metadata: { name },
    spec: { signerName, usages, request: Buffer.from(csr).toString("base64") },
  });
  const answer = await waitFor(
    `the certificate for ${subject.commonName} (${signerName}): kubectl get csr ${name}`,
    async () => {
      const { status } = await requests.get({ name });
      const refused = status?.conditions?.find(({ type }) => REFUSALS.includes(type));
      const certificate = status?.certificate;
      return refused !== undefined || certificate ? { refused, certificate } : undefined;
    },
    { clock: client.clock, timeout_ms: SIGNED_TIMEOUT_MS, interval_ms: SIGNED_INTERVAL_MS },
  );
  const { refused, certificate = "" } = answer;
  if (refused === undefined) {
    return { key, cert: Buffer.from(certificate, "base64").toString("utf8") };
  }
  throw new CodedError("REFUSED", `request ${name} is ${refused.type}: ${refused.message}`);
}
