import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { RENEW_DAYS } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { parseCertificate } from "./certificates.ts";
import { type ClusterFiles, clusterFiles } from "./identities.ts";
import { writeKeyPair } from "./key-pair.ts";

const CA = "front-proxy-ca";
const CLIENT = "front-proxy-client";
const CA_DAYS = 3650;
const CLIENT_DAYS = 365;

/**
 * Makes the certificate by which aggregated API servers know this cluster's, and its CA, in
 * kubeadm's files. That CA vouches for nothing else and is published in the cluster, so that a file
 * that is missing, ends soon or does not match is replaced.
 */
export async function ensureFrontProxy(config: ClusterConfig, now_ms: number): Promise<void> {
  const files = clusterFiles(config);
  const ca =
    (await usablePair(files, CA, now_ms)) ??
    (await writeKeyPair(files.pair(CA), await createCa({ commonName: CA, days: CA_DAYS, now_ms })));
  if ((await usablePair(files, CLIENT, now_ms, ca.cert)) !== undefined) return;
  const request = { commonName: CLIENT, usages: ["client"] as const, days: CLIENT_DAYS };
  await writeKeyPair(files.pair(CLIENT), await issueCertificate(ca, request, now_ms));
}

/** The API server's options for those files: the headers are upstream's. */
export async function frontProxyOptions(
  files: ClusterFiles,
): Promise<Required<Pick<ApiserverOptions, "proxyClient" | "requestHeader">>> {
  const { cert, key } = files.pair(CLIENT);
  return {
    proxyClient: { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") },
    requestHeader: {
      clientCa: await readFile(files.pair(CA).cert, "utf8"),
      allowedNames: [CLIENT],
      usernameHeaders: ["X-Remote-User"],
      uidHeaders: ["X-Remote-Uid"],
      groupHeaders: ["X-Remote-Group"],
      extraHeaderPrefixes: ["X-Remote-Extra-"],
    },
  };
}

/** A pair that is there, matches, does not end soon, and is below `ca` if that is given. */
export async function usablePair(
  files: ClusterFiles,
  name: string,
  now_ms: number,
  ca?: string,
): Promise<KeyPair | undefined> {
  const paths = files.pair(name);
  const [cert, key] = [await readIfPresent(paths.cert), await readIfPresent(paths.key)];
  if (cert === undefined || key === undefined) return undefined;
  const parsed = parseCertificate(paths.cert, cert);
  const from_ms = parsed.validFromDate.getTime();
  const isDue = parsed.validToDate.getTime() < now_ms + RENEW_DAYS * MS_PER_DAY;
  if (from_ms > now_ms || isDue || !parsed.checkPrivateKey(createPrivateKey(key))) return undefined;
  const isIssued = ca === undefined || parsed.verify(new X509Certificate(ca).publicKey);
  return isIssued ? { cert, key } : undefined;
}
