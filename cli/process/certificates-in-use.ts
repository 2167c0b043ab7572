import { X509Certificate } from "node:crypto";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { lostControlPlanes } from "../observe/store-data.ts";
import { endsSoon } from "../pki/ends-soon.ts";
import { clusterFiles, KUBECONFIG_USERS, pairRequests } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { controlPlaneConfig, controlPlaneNames } from "../spec/control-planes.ts";

/** Pairs of other CAs than the cluster's. */
const OTHER_PAIRS = ["front-proxy-client", "etcd/peer"];
const CAS = ["ca", "front-proxy-ca", "etcd/ca"];
/** A certificate in a kubeconfig of either format: the parser of YAML would take 3 MiB. */
const IN_KUBECONFIG = /\bclient-certificate-data"?:\s*"?([\w+/=]+)/;
const log = logger("certificates");

/**
 * Returns the certificates of a place by their files. One that cannot be read is logged and left
 * out: a user's edit of admin.conf keeps no process from starting.
 */
export async function certificatesIn(config: ClusterConfig): Promise<Map<string, X509Certificate>> {
  const files = clusterFiles(config);
  const pairs = [...Object.keys(pairRequests(config)), ...OTHER_PAIRS];
  const paths = [
    ...pairs.map((name) => files.pair(name).cert),
    ...KUBECONFIG_USERS.map((user) => files.kubeconfig(user)),
  ];
  return readAll(paths);
}

async function readAll(paths: readonly string[]): Promise<Map<string, X509Certificate>> {
  const found = new Map<string, X509Certificate>();
  for (const path of paths) {
    try {
      const cert = certificateOf(path, (await readIfPresent(path)) ?? "");
      if (cert !== undefined) found.set(path, cert);
    } catch (thrown) {
      log.warn(`the certificate of ${path} cannot be read: put it back`, { err: asError(thrown) });
    }
  }
  return found;
}

/** Whether a certificate of the cluster or of one of its control planes is to be made again. */
export async function isRenewalDue(cluster: ClusterConfig, now_ms: number): Promise<boolean> {
  for (const place of [cluster, ...controlPlanesOf(cluster)]) {
    const files = clusterFiles(place);
    const cas = [...(await readAll(CAS.map((name) => files.pair(name).cert))).values()];
    const certs = [...(await certificatesIn(place)).values()];
    const caOf = (cert: X509Certificate) => cas.find((ca) => cert.checkIssued(ca));
    if (certs.some((cert) => endsSoon(cert, now_ms, caOf(cert)))) return true;
  }
  return false;
}

/** The certificate in a file's text: PEM, or a kubeconfig's; undefined if a kubeconfig has none. */
function certificateOf(path: string, text: string): X509Certificate | undefined {
  if (path.endsWith(".crt")) return text === "" ? undefined : new X509Certificate(text);
  const data = IN_KUBECONFIG.exec(text)?.[1];
  return data === undefined ? undefined : new X509Certificate(Buffer.from(data, "base64"));
}

/** The control planes but one that has lost its data: that is removed and added again. */
export function controlPlanesOf(cluster: ClusterConfig): ClusterConfig[] {
  const lost = lostControlPlanes(cluster);
  const names = controlPlaneNames(cluster).filter((name) => !lost.includes(name));
  return names.map((name) => controlPlaneConfig(cluster, name));
}
