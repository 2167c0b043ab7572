import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import {
  type CertificateRequest,
  issueCertificate,
  type KeyPair,
} from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { ensureCa } from "./ca.ts";
import { ensureFrontProxy } from "./front-proxy.ts";
import {
  type ClusterFiles,
  clusterFiles,
  formatOf,
  type KubeconfigUser,
  pairRequests,
  serverFor,
  userRequest,
  usersOf,
} from "./identities.ts";
import { CERTIFICATE_DAYS, readKeyPair, writeKeyPair } from "./key-pair.ts";
import { refuseForeign, renewDue, updateServers } from "./renew.ts";

/**
 * Creates the missing certificates, service-account key and kubeconfigs of a cluster. Existing ones
 * are used, except certificates near or after their end, which are renewed and reported to `note`.
 * Keys and kubeconfigs have mode 0600. Throws CommandError naming the file if one is missing that
 * only the user can restore; no key is overwritten.
 */
export async function ensurePki(
  config: ClusterConfig,
  now_ms: number,
  note: (line: string) => void = () => undefined,
): Promise<ClusterFiles> {
  const files = clusterFiles(config);
  const ca = await ensureCa(config, now_ms);
  for (const [name, request] of Object.entries(pairRequests(config))) {
    await ensurePair(files, name, () => issue(ca, request, now_ms));
  }
  await ensureServiceAccountKey(files);
  await ensureFrontProxy(config, now_ms);
  for (const user of usersOf(config)) {
    await ensureKubeconfig(config, user, async () => ({
      ca: ca.cert,
      ...(await issue(ca, userRequest(user, config), now_ms)),
    }));
  }
  await updateServers(config, note);
  await refuseForeign(config, ca);
  await renewDue(config, ca, now_ms, note);
  return files;
}

const issue = (
  ca: KeyPair,
  request: Omit<CertificateRequest, "days">,
  now_ms: number,
): Promise<KeyPair> => issueCertificate(ca, { ...request, days: CERTIFICATE_DAYS }, now_ms);

async function ensurePair(
  files: ClusterFiles,
  name: string,
  make: () => Promise<KeyPair>,
): Promise<void> {
  const paths = files.pair(name);
  const found = await readKeyPair(paths.cert, paths.key, (_, other) => {
    return `put it back, or remove ${other} too: the next start makes both`;
  });
  if (!found) await writeKeyPair(paths, await make());
}

async function ensureKubeconfig(
  config: ClusterConfig,
  user: KubeconfigUser,
  make: () => Promise<KeyPair & { ca: string }>,
): Promise<void> {
  const path = clusterFiles(config).kubeconfig(user);
  if ((await readIfPresent(path)) !== undefined) return;
  const access = { server: serverFor(user, config), ...(await make()) };
  const text = kubeconfig(config.name, access, formatOf(user));
  await replaceFile(path, text, { mode: 0o600 });
}

/** The key that signs service account tokens: EC P-256 as PKCS #8, its public half beside it. */
export async function ensureServiceAccountKey(files: Pick<ClusterFiles, "pkiDir">): Promise<void> {
  const paths = { public: join(files.pkiDir, "sa.pub"), private: join(files.pkiDir, "sa.key") };
  const key = await readIfPresent(paths.private);
  if (key !== undefined) {
    if ((await readIfPresent(paths.public)) !== undefined) return;
    const half = createPublicKey(key).export({ type: "spki", format: "pem" });
    return replaceFile(paths.public, half, { mode: 0o644 });
  }
  await readKeyPair(paths.public, paths.private, (missing, other) => {
    const loss = "service account tokens issued before are then refused";
    return `put ${missing} back, or remove ${other} too for a new key: ${loss}`;
  });
  const pair = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  // The private half is enough for a next start, if this one is killed in between.
  await replaceFile(paths.private, pair.privateKey, { mode: 0o600 });
  await replaceFile(paths.public, pair.publicKey, { mode: 0o644 });
}
