import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { checkCa } from "./ca.ts";
import { clusterFiles, peerRequest } from "./identities.ts";
import { CA_DAYS, CERTIFICATE_DAYS, readKeyPair, usablePair, writeKeyPair } from "./key-pair.ts";
import { ensurePki } from "./pki.ts";

const STORE_CA = "etcd/ca";
const PEER = "etcd/peer";
/**
 * Files that all control planes have, as kubeadm's: with them they sign certificates and tokens.
 * The key of the store's CA stays with the cluster.
 */
const SHARED = [
  "ca.crt",
  "ca.key",
  "sa.pub",
  "sa.key",
  "front-proxy-ca.crt",
  "front-proxy-ca.key",
  "etcd/ca.crt",
];

/**
 * Gives a control plane its identities: the cluster's CAs, and certificates and keys of its own for
 * everything that it serves or calls. `now_ms` and `note` are those of `ensurePki`.
 */
export async function ensureControlPlanePki(
  cluster: ClusterConfig,
  own: ClusterConfig,
  now_ms: number,
  note: (line: string) => void,
): Promise<void> {
  const storeCa = await ensureStoreCa(cluster, now_ms);
  const [from, to] = [clusterFiles(cluster).pkiDir, clusterFiles(own).pkiDir];
  await mkdir(join(to, dirname(PEER)), { recursive: true, mode: 0o700 });
  for (const name of SHARED) {
    const wanted = (await readIfPresent(join(from, name))) ?? "";
    if ((await readIfPresent(join(to, name))) === wanted) continue;
    await replaceFile(join(to, name), wanted, { mode: name.endsWith(".key") ? 0o600 : 0o644 });
  }
  await ensurePki(own, now_ms, note);
  await ensurePeer(own, storeCa, now_ms);
}

async function ensureStoreCa(cluster: ClusterConfig, now_ms: number): Promise<KeyPair> {
  const files = clusterFiles(cluster);
  const paths = files.pair(STORE_CA);
  const found = await readKeyPair(paths.cert, paths.key, (missing, other) => {
    return `put ${missing} back, or remove ${other} too: the next start makes both`;
  });
  if (found) {
    const files = `${paths.cert} ${paths.key}`;
    const end = `for a new one: r2k down --name ${cluster.name}, then rm -f ${files}, then start`;
    checkCa(paths, found, now_ms, { key: `put ${paths.key} back; or, ${end}`, end });
    return found;
  }
  await mkdir(dirname(paths.cert), { recursive: true, mode: 0o700 });
  return writeKeyPair(paths, await createCa({ commonName: "etcd-ca", days: CA_DAYS, now_ms }));
}

/** Ensures the certificate of a member: one that ends soon, or is of another CA, is replaced. */
async function ensurePeer(own: ClusterConfig, ca: KeyPair, now_ms: number): Promise<void> {
  const files = clusterFiles(own);
  if ((await usablePair(files.pair(PEER), now_ms, ca.cert)) !== undefined) return;
  const request = { ...peerRequest(own), days: CERTIFICATE_DAYS };
  await writeKeyPair(files.pair(PEER), await issueCertificate(ca, request, now_ms));
}
