import { X509Certificate } from "node:crypto";
import { RENEW_DAYS } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { lostControlPlanes } from "../observe/store-data.ts";
import { clusterFiles, KUBECONFIG_USERS, pairRequests } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { controlPlaneConfig, controlPlaneNames } from "../spec/control-planes.ts";

/** Pairs of other CAs than the cluster's. */
const OTHER_PAIRS = ["front-proxy-client", "etcd/peer"];
/** A certificate in a kubeconfig of either format: the parser of YAML would take 3 MiB. */
const IN_KUBECONFIG = /\bclient-certificate-data"?:\s*"?([\w+/=]+)/;

/** Returns the certificates of a place by their files. Throws when one cannot be parsed. */
export async function certificatesIn(config: ClusterConfig): Promise<Map<string, X509Certificate>> {
  const files = clusterFiles(config);
  const found = new Map<string, X509Certificate>();
  for (const name of [...Object.keys(pairRequests(config)), ...OTHER_PAIRS]) {
    const { cert: path } = files.pair(name);
    const text = await readIfPresent(path);
    if (text !== undefined) found.set(path, new X509Certificate(text));
  }
  for (const user of KUBECONFIG_USERS) {
    const path = files.kubeconfig(user);
    const data = IN_KUBECONFIG.exec((await readIfPresent(path)) ?? "")?.[1];
    if (data !== undefined) found.set(path, new X509Certificate(Buffer.from(data, "base64")));
  }
  return found;
}

/** Whether a certificate of the cluster or of one of its control planes ends soon. */
export async function isRenewalDue(cluster: ClusterConfig, now_ms: number): Promise<boolean> {
  const places = [cluster, ...controlPlanesOf(cluster)];
  const found = await Promise.all(places.map(certificatesIn));
  const due_ms = now_ms + RENEW_DAYS * MS_PER_DAY;
  return found.some((each) => [...each.values()].some((cert) => +cert.validToDate < due_ms));
}

/** The control planes but one that has lost its data: that is removed and added again. */
export function controlPlanesOf(cluster: ClusterConfig): ClusterConfig[] {
  const lost = lostControlPlanes(cluster);
  const names = controlPlaneNames(cluster).filter((name) => !lost.includes(name));
  return names.map((name) => controlPlaneConfig(cluster, name));
}
