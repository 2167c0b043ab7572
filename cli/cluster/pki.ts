import { generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/durable-file.ts";
import {
  type CertificateRequest,
  type KeyPair,
  createCa,
  issueCertificate,
} from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "./config.ts";

const CA_DAYS = 3650;
const CERTIFICATE_DAYS = 365;

/** Files of a cluster's identities, in kubeadm's layout under the data folder. */
export interface ClusterFiles {
  readonly pkiDir: string;
  /** The path of a kubeconfig by its user: `admin`, `kubelet`, ... */
  kubeconfig(user: KubeconfigUser): string;
  /** The paths of a certificate and its key by kubeadm's name: `ca`, `apiserver`, ... */
  pair(name: string): { cert: string; key: string };
}

/**
 * Who has a kubeconfig, and the certificate subject that stands for them. Only admin is a master.
 */
const USERS = {
  admin: { commonName: "kubernetes-admin", organizations: ["system:masters"] },
  "controller-manager": { commonName: "system:kube-controller-manager" },
  scheduler: { commonName: "system:kube-scheduler" },
  kubelet: { commonName: "system:node:", organizations: ["system:nodes"] },
  proxy: { commonName: "system:kube-proxy" },
  dns: { commonName: "system:r2k:dns" },
  "csi-provisioner": { commonName: "system:r2k:csi-provisioner" },
} as const;

export type KubeconfigUser = keyof typeof USERS;

export function clusterFiles(config: Pick<ClusterConfig, "dataDir">): ClusterFiles {
  const pkiDir = join(config.dataDir, "pki");
  return {
    pkiDir,
    kubeconfig: (user) => join(config.dataDir, `${user}.conf`),
    pair: (name) => ({ cert: join(pkiDir, `${name}.crt`), key: join(pkiDir, `${name}.key`) }),
  };
}

/**
 * Makes what is missing of a cluster's certificates, service-account key and kubeconfigs; what is
 * there is used and not made again. Keys and kubeconfigs are 0600.
 */
export async function ensurePki(config: ClusterConfig, now_ms: number): Promise<ClusterFiles> {
  const files = clusterFiles(config);
  const ca = await ensurePair(files, "ca", () => {
    return createCa({ commonName: "kubernetes", days: CA_DAYS, now_ms });
  });
  const issue = (request: Omit<CertificateRequest, "days">) => () =>
    issueCertificate(ca, { ...request, days: CERTIFICATE_DAYS }, now_ms);
  await ensurePair(files, "apiserver", issue(apiserverCertificate(config)));
  await ensurePair(
    files,
    "apiserver-kubelet-client",
    issue({ commonName: "kube-apiserver-kubelet-client", usages: ["client"] }),
  );
  await ensurePair(files, "kubelet", issue(kubeletCertificate(config)));
  await ensureServiceAccountKey(files);
  for (const user of Object.keys(USERS) as KubeconfigUser[]) {
    const path = files.kubeconfig(user);
    if ((await readIfThere(path)) !== undefined) continue;
    const { commonName, ...rest } = USERS[user];
    const name = user === "kubelet" ? `${commonName}${config.nodeName}` : commonName;
    const pair = await issue({ commonName: name, ...rest, usages: ["client"] })();
    const host = user === "admin" || isControlPlane(user) ? "127.0.0.1" : config.hostAddress;
    const server = `https://${host}:${config.apiPort}`;
    const text = kubeconfig(config.name, { server, ca: ca.cert, ...pair });
    await replaceFile(path, text, { mode: 0o600 });
  }
  return files;
}

function isControlPlane(user: KubeconfigUser): boolean {
  return user === "controller-manager" || user === "scheduler";
}

function apiserverCertificate(config: ClusterConfig): Omit<CertificateRequest, "days"> {
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return {
    commonName: "kube-apiserver",
    dnsNames: ["localhost", ...service, `kubernetes.default.svc.${config.clusterDomain}`],
    ipAddresses: ["127.0.0.1", config.hostAddress, config.apiServiceAddress],
    usages: ["server"],
  };
}

function kubeletCertificate(config: ClusterConfig): Omit<CertificateRequest, "days"> {
  return {
    commonName: `system:node:${config.nodeName}`,
    organizations: ["system:nodes"],
    dnsNames: [config.nodeName],
    ipAddresses: [config.nodeAddress],
    usages: ["server"],
  };
}

async function ensurePair(
  files: ClusterFiles,
  name: string,
  make: () => Promise<KeyPair>,
): Promise<KeyPair> {
  const paths = files.pair(name);
  const [cert, key] = await Promise.all([readIfThere(paths.cert), readIfThere(paths.key)]);
  if (cert !== undefined && key !== undefined) return { cert, key };
  const pair = await make();
  await replaceFile(paths.key, pair.key, { mode: 0o600 });
  await replaceFile(paths.cert, pair.cert, { mode: 0o644 });
  return pair;
}

/** The key that signs service account tokens: EC P-256 as PKCS #8, its public half beside it. */
async function ensureServiceAccountKey(files: ClusterFiles): Promise<void> {
  const path = join(files.pkiDir, "sa.key");
  if ((await readIfThere(path)) !== undefined) return;
  const pair = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  await replaceFile(join(files.pkiDir, "sa.pub"), pair.publicKey, { mode: 0o644 });
  await replaceFile(path, pair.privateKey, { mode: 0o600 });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
