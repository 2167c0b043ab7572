import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { withClientCertificate } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import { clusterFiles, KUBECONFIG_USERS, type KubeconfigUser, pairRequests } from "./identities.ts";

/** A certificate that a cluster's CA issued, and where it is kept. */
export type KeptCertificate =
  | {
      readonly kind: "pair";
      readonly cert: X509Certificate;
      readonly paths: { readonly cert: string; readonly key: string };
    }
  | {
      readonly kind: "kubeconfig";
      readonly cert: X509Certificate;
      readonly path: string;
      readonly user: KubeconfigUser;
    };

/** Throws CommandError `BAD_CERTIFICATE` naming the file when `text` is none. */
export function parseCertificate(path: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    const why = `${path} has no certificate in PEM`;
    throw new CommandError("BAD_CERTIFICATE", why, { remedy: "put it back", cause });
  }
}

/** Whether a CA issued the certificate. */
export const isIssuedBy = (cert: X509Certificate, ca: X509Certificate): boolean =>
  cert.checkIssued(ca) && cert.verify(ca.publicKey);

/** The certificate of a kubeconfig; undefined if there is no file, or another credential in it. */
export async function kubeconfigCertificate(path: string): Promise<X509Certificate | undefined> {
  if ((await readIfPresent(path)) === undefined) return undefined;
  const { cert } = await readKubeconfig(path);
  return cert === undefined ? undefined : parseCertificate(path, cert);
}

/** Replaces the certificate of a kubeconfig by one for the same key; returns both texts. */
export async function replaceCertificate(path: string, cert: string) {
  const before = await readFile(path, "utf8");
  const after = withClientCertificate(before, cert);
  await replaceFile(path, after, { mode: 0o600 });
  return { before, after };
}

/** The file that has the certificate. */
export function certificatePath(kept: KeptCertificate): string {
  return kept.kind === "pair" ? kept.paths.cert : kept.path;
}

/**
 * Returns the existing certificates of a cluster's components and of its admin, without the CA's.
 * A kubeconfig with another credential has none.
 */
export async function keptCertificates(config: ClusterConfig): Promise<KeptCertificate[]> {
  const files = clusterFiles(config);
  const kept: KeptCertificate[] = [];
  for (const name of Object.keys(pairRequests(config))) {
    const paths = files.pair(name);
    const text = await readIfPresent(paths.cert);
    if (text === undefined) continue;
    kept.push({ kind: "pair", cert: parseCertificate(paths.cert, text), paths });
  }
  for (const user of KUBECONFIG_USERS) {
    const path = files.kubeconfig(user);
    const cert = await kubeconfigCertificate(path);
    if (cert !== undefined) kept.push({ kind: "kubeconfig", cert, path, user });
  }
  return kept;
}
