import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { CertificateSigningRequest, KeyUsage } from "@raft2kube/api/gen/certificates/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { type CertificateRequest, type KeyPair, createRequest } from
  "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { Command } from "commander";
import { type ClusterConfig, readConfigFile } from "../spec/config.ts";
import { clusterFiles, formatOf, kubeletCertificate, userRequest } from "../pki/identities.ts";
import { readIfPresent } from "../pki/key-pair.ts";
import { type NodeIdentity, bootstrapPath, dueIdentities } from "../pki/node-identities.ts";

/** How long a request may take to be approved and signed, and how often it is looked at. */
const SIGNED_TIMEOUT_MS = 45_000;
const SIGNED_INTERVAL_MS = 50;

const REFUSALS = ["Denied", "Failed"];
const CLIENT_USAGES: KeyUsage[] = ["digital signature", "client auth"];
const SERVING_USAGES: KeyUsage[] = ["digital signature", "server auth"];

/**
 * The command by which a node joins: TLS bootstrap over the network alone. With the token in
 * `bootstrap.conf` it asks for the kubelet's certificate, and as the kubelet for the others.
 */
export function command(): Command {
  return new Command("node-join")
    .description("Get a node's certificates from the cluster; a node's process runs it.")
    .requiredOption("--config <file>", "the node's cluster.json")
    .action(async (flags: { config: string }) => {
      const config = await readConfigFile(flags.config, basename(dirname(flags.config)));
      await join(config, systemClock());
    });
}

async function join(config: ClusterConfig, clock: Clock): Promise<void> {
  const files = clusterFiles(config);
  const due = (await dueIdentities(config, clock.now())).map(({ identity }) => identity);
  const own = files.kubeconfig("kubelet");
  const token = bootstrapPath(config);
  if (due.includes("kubelet")) {
    const joins = (await readIfPresent(token)) !== undefined;
    await obtain(config, joins ? token : own, ["kubelet"], clock);
  }
  await obtain(config, own, due.filter((identity) => identity !== "kubelet"), clock);
  await rm(token, { force: true });
}

/** Requests certificates as the user of a kubeconfig, all of them concurrently, and writes them. */
async function obtain(
  config: ClusterConfig,
  as: string,
  identities: readonly NodeIdentity[],
  clock: Clock,
): Promise<void> {
  if (identities.length === 0) return;
  const { server, ca } = await readKubeconfig(as);
  if (ca === undefined) throw new CodedError("NO_CA", `${as} has no certificate authority`);
  const client = new KubeClient({ ...(await kubeConnection(as)), clock, userAgent: "r2k-join" });
  const files = clusterFiles(config);
  try {
    await replaceFile(files.pair("ca").cert, ca, { mode: 0o644 });
    await Promise.all(identities.map(async (identity) => {
      const pair = await certificateOf(client, config, identity);
      if (identity === "kubelet-serving") {
        const paths = files.pair("kubelet");
        await replaceFile(paths.key, pair.key, { mode: 0o600 });
        return replaceFile(paths.cert, pair.cert, { mode: 0o644 });
      }
      const text = kubeconfig(config.name, { server, ca, ...pair }, formatOf(identity));
      return replaceFile(files.kubeconfig(identity), text, { mode: 0o600 });
    }));
  } finally {
    client.close();
  }
}

function certificateOf(
  client: KubeClient,
  config: ClusterConfig,
  identity: NodeIdentity,
): Promise<KeyPair> {
  if (identity === "kubelet-serving") {
    const request = kubeletCertificate(config);
    return signed(client, "kubernetes.io/kubelet-serving", request, SERVING_USAGES);
  }
  const signer = identity === "kubelet"
    ? "kubernetes.io/kube-apiserver-client-kubelet"
    : "kubernetes.io/kube-apiserver-client";
  return signed(client, signer, userRequest(identity, config), CLIENT_USAGES);
}

/** Creates a request and waits until it is approved and signed; the key stays on this machine. */
async function signed(
  client: KubeClient,
  signerName: string,
  request: Omit<CertificateRequest, "days" | "usages">,
  usages: KeyUsage[],
): Promise<KeyPair> {
  const { csr, key } = await createRequest(request);
  const requests = client.resource<CertificateSigningRequest>(CERTIFICATE_SIGNING_REQUESTS);
  const name = `node-csr-${randomUUID()}`;
  await requests.create({
    metadata: { name },
    spec: { signerName, usages, request: Buffer.from(csr).toString("base64") },
  });
  const answer = await waitFor(
    `the certificate for ${request.commonName} (${signerName}): kubectl get csr ${name}`,
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
