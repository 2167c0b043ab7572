import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { rm } from "node:fs/promises";
import { isAlreadyExists, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { createRequest, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import {
  dueIdentities,
  type IdentityRequest,
  type NodeFiles,
  type NodeIdentity,
  requestFor,
} from "./identities.ts";

/** How long a request may take that a program approves, and how often it is looked at. */
const SIGNED_TIMEOUT_MS = 45_000;
const SIGNED_INTERVAL_MS = 50;
/** How often a request is looked at that was not approved until then: a person may do so. */
const PENDING_INTERVAL_MS = 1_000;

const REFUSALS = ["Denied", "Failed"];

/**
 * Gets a node's certificates from the cluster: TLS bootstrap over the network alone. With the token
 * in `bootstrap` it asks for the kubelet's certificate, and as the kubelet for the others.
 * `pending_ms`: how much longer than a start's each request may wait for its approval.
 */
export async function joinCluster(node: NodeFiles, clock: Clock, pending_ms = 0): Promise<void> {
  const due = (await dueIdentities(node, clock.now())).map(({ identity }) => identity);
  const own = node.kubeconfig("kubelet");
  if (due.includes("kubelet")) {
    const joins = (await readIfPresent(node.bootstrap)) !== undefined;
    await obtain(node, joins ? node.bootstrap : own, ["kubelet"], clock, pending_ms);
  }
  const others = due.filter((identity) => identity !== "kubelet");
  await obtain(node, own, others, clock, pending_ms);
  await rm(node.bootstrap, { force: true });
}

/** Requests certificates as the user of a kubeconfig, concurrently, and writes them. */
async function obtain(
  node: NodeFiles,
  as: string,
  identities: readonly NodeIdentity[],
  clock: Clock,
  pending_ms: number,
): Promise<void> {
  if (identities.length === 0) return;
  await clientAs(as, { clock, userAgent: "r2k-join" }, async (client, access) => {
    await replaceFile(node.pair("ca").cert, access.ca, { mode: 0o644 });
    await Promise.all(
      identities.map(async (identity) => {
        const pair = await signed(client, requestFor(identity, node), { pending_ms });
        if (identity === "kubelet-serving") {
          const paths = node.pair("kubelet");
          await replaceFile(paths.key, pair.key, { mode: 0o600 });
          return replaceFile(paths.cert, pair.cert, { mode: 0o644 });
        }
        const text = kubeconfig(node.clusterName, { ...access, ...pair }, "json");
        return replaceFile(node.kubeconfig(identity), text, { mode: 0o600 });
      }),
    );
  });
}

/** Works with a client that is the user of a kubeconfig, which has to name the CA of its server. */
export async function clientAs<T>(
  path: string,
  options: { readonly clock: Clock; readonly userAgent: string },
  work: (client: KubeClient, access: { server: string; ca: string }) => Promise<T>,
): Promise<T> {
  const { server, ca } = await readKubeconfig(path);
  if (ca === undefined) throw new CodedError("NO_CA", `${path} has no certificate authority`);
  using client = new KubeClient({ ...(await kubeConnection(path)), ...options });
  return await work(client, { server, ca });
}

/** A wait for a certificate: the key to ask with, the time from which no program approves. */
export interface Waiting {
  /** A key of an earlier request, which is found again, with its approval. Default: a new key. */
  readonly key?: string;
  /** How long a person may take to approve it, after the programs that do. Default: 0. */
  readonly pending_ms?: number;
  readonly signal?: AbortSignal;
}

/**
 * Creates a request, or finds that of an earlier attempt, and waits until it is approved and
 * signed; the key stays on this machine. Rejects with CodedError `REFUSED` for one that was denied,
 * failed or deleted, or whose certificate cannot be used.
 */
export async function signed(
  client: KubeClient,
  { signerName, usages, subject }: IdentityRequest,
  { key: kept, pending_ms = 0, signal }: Waiting = {},
): Promise<KeyPair> {
  const { csr, key } = await createRequest(subject, kept);
  const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
  const name = digestedName(key, subject, usages);
  const spec = { signerName, usages, request: Buffer.from(csr).toString("base64") };
  await tolerate(requests.create({ metadata: { name }, spec }), isAlreadyExists);
  const what = `the certificate for ${subject.commonName} (${signerName}): kubectl get csr ${name}`;
  const look = async () => {
    const found = await undefinedIfNotFound(requests.get({ name }));
    if (found === undefined) return { refusal: "is deleted" };
    const refused = found.status?.conditions?.find(({ type }) => REFUSALS.includes(type));
    if (refused !== undefined) return { refusal: `is ${refused.type}: ${refused.message}` };
    const certificate = found.status?.certificate;
    return certificate ? { cert: Buffer.from(certificate, "base64").toString("utf8") } : undefined;
  };
  const within = (timeout_ms: number, interval_ms: number) =>
    waitFor(what, look, { clock: client.clock, timeout_ms, interval_ms, ...given({ signal }) });
  const first = within(SIGNED_TIMEOUT_MS, SIGNED_INTERVAL_MS);
  const answer =
    pending_ms === 0
      ? await first
      : ((await tolerate(first, errno("ETIMEDOUT"))) ??
        (await within(pending_ms, PENDING_INTERVAL_MS)));
  const refusal = answer.refusal ?? faultOf(answer.cert, key, client.clock.now());
  if (refusal === undefined) return { key, cert: answer.cert ?? "" };
  throw new CodedError("REFUSED", `request ${name} ${refusal}`, {
    remedy: `kubectl delete csr ${name}, and the next attempt asks again`,
  });
}

/** Returns why the certificate of a request cannot be used: an earlier one may have ended. */
function faultOf(pem: string, key: string, now_ms: number): string | undefined {
  const cert = new X509Certificate(pem);
  if (!cert.checkPrivateKey(createPrivateKey(key))) return "has the certificate of another key";
  return cert.validToDate.getTime() <= now_ms
    ? `has one that expired on ${cert.validTo}`
    : undefined;
}

/** The name of a request by its key, subject and usages, as upstream's kubelet has it. */
function digestedName(
  key: string,
  { commonName, organizations = [], dnsNames = [], ipAddresses = [] }: IdentityRequest["subject"],
  usages: readonly string[],
): string {
  const hash = createHash("sha512-256");
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const rest = [commonName, ...organizations, ...dnsNames, ...ipAddresses, ...usages];
  // No base64url has the delimiter: no two lists give one stream.
  for (const part of [der, ...rest.map((text) => Buffer.from(text))]) {
    hash.update(`${part.toString("base64url")}|`);
  }
  return `node-csr-${hash.digest("base64url")}`;
}
