import { createPrivateKey, type X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { createCa, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { asError } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import { parseCertificate } from "./certificates.ts";
import { clusterFiles, KUBECONFIG_USERS } from "./identities.ts";
import { CA_DAYS, readKeyPair, writeKeyPair } from "./key-pair.ts";

/**
 * Reads the cluster's CA, or creates it if it has issued nothing. Throws CommandError if key or
 * certificate is missing or both are although there are issued certificates, if they do not match,
 * and if the certificate is not valid at this time.
 */
export async function ensureCa(config: ClusterConfig, now_ms: number): Promise<KeyPair> {
  const files = clusterFiles(config);
  const paths = files.pair("ca");
  const issued = KUBECONFIG_USERS.map(files.kubeconfig).filter((path) => existsSync(path));
  const found = await readKeyPair(paths.cert, paths.key, (missing, other) => {
    if (issued.length === 0) return `remove ${other} too: it has issued nothing yet`;
    return missing === paths.cert ? restoreCertificate(config) : restoreKey(config);
  });
  if (found) {
    checkCa(paths, found, now_ms, { key: restoreKey(config), end: newCa(config) });
    return found;
  }
  if (issued.length > 0) {
    throw new CommandError("NO_CA", `${paths.key} is missing, which issued ${issued.join(", ")}`, {
      remedy: restoreKey(config),
    });
  }
  const made = await createCa({ commonName: "kubernetes", days: CA_DAYS, now_ms });
  return writeKeyPair(paths, made);
}

/**
 * Throws CommandError if a CA's halves do not match, and if it is not valid at this time; with the
 * remedies of `remedy` for a key that is another's, and for an end.
 */
export function checkCa(
  paths: { readonly cert: string; readonly key: string },
  ca: KeyPair,
  now_ms: number,
  remedy: { readonly key: string; readonly end: string },
): void {
  const cert = parseCertificate(paths.cert, ca.cert);
  if (!isKeyOf(cert, ca.key)) {
    throw new CommandError("CA_HALVES", `${paths.key} is not the key of ${paths.cert}`, {
      remedy: remedy.key,
    });
  }
  const clock = `this machine's clock is at ${new Date(now_ms).toISOString()}`;
  if (now_ms < cert.validFromDate.getTime()) {
    const begin = cert.validFromDate.toISOString();
    throw new CommandError("CLOCK", `${clock}, but ${paths.cert} is valid from ${begin} on`, {
      remedy: "set the clock",
    });
  }
  if (now_ms < cert.validToDate.getTime()) return;
  const end = cert.validToDate.toISOString();
  throw new CommandError("CA_EXPIRED", `${paths.cert} expired on ${end}; ${clock}`, {
    remedy: remedy.end,
  });
}

function isKeyOf(cert: X509Certificate, key: string): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(key));
  } catch (thrown) {
    logger("pki").debug("the CA's key does not parse", { err: asError(thrown) });
    return false;
  }
}

/** Every kubeconfig has a copy of the certificate. */
function restoreCertificate(config: ClusterConfig): string {
  const { kubeconfig, pair } = clusterFiles(config);
  const copy = `awk '/certificate-authority-data/ {print $2}' ${kubeconfig("controller-manager")}`;
  return `put it back; every kubeconfig has a copy: ${copy} | base64 -d > ${pair("ca").cert}`;
}

function restoreKey(config: ClusterConfig): string {
  return `put ${clusterFiles(config).pair("ca").key} back from a backup; or, ${newCa(config)}`;
}

function newCa({ dataDir }: ClusterConfig): string {
  const pairs = join(dataDir, "pki", "{ca,apiserver,apiserver-kubelet-client,kubelet}.{crt,key}");
  return (
    "for a new CA, which the next start makes (objects and tokens stay, copies of admin.conf " +
    `do not work any more): rm -f ${pairs} ${join(dataDir, "*.conf")}`
  );
}
