import { readFile } from "node:fs/promises";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { type ClusterFiles, clusterFiles } from "./identities.ts";
import { CA_DAYS, CERTIFICATE_DAYS, usablePair, writeKeyPair } from "./key-pair.ts";

const CA = "front-proxy-ca";
const CLIENT = "front-proxy-client";

/**
 * Makes the certificate by which aggregated API servers know this cluster's, and its CA, in
 * kubeadm's files. That CA vouches for nothing else and is published in the cluster, so that a file
 * that is missing, ends soon or does not match is replaced.
 */
export async function ensureFrontProxy(config: ClusterConfig, now_ms: number): Promise<void> {
  const files = clusterFiles(config);
  const ca =
    (await usablePair(files.pair(CA), now_ms)) ??
    (await writeKeyPair(files.pair(CA), await createCa({ commonName: CA, days: CA_DAYS, now_ms })));
  if ((await usablePair(files.pair(CLIENT), now_ms, ca.cert)) !== undefined) return;
  const request = { commonName: CLIENT, usages: ["client"] as const, days: CERTIFICATE_DAYS };
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
