import type { X509Certificate } from "node:crypto";
import { RENEW_DAYS } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { lostControlPlanes } from "../observe/store-data.ts";
import { certificatePath, keptCertificates, readCertificate } from "../pki/certificates.ts";
import { ensureControlPlanePki } from "../pki/control-plane.ts";
import { clusterFiles } from "../pki/identities.ts";
import { ensurePki } from "../pki/pki.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { controlPlaneConfig, controlPlaneNames } from "../spec/control-planes.ts";

/** Pairs of other CAs than the cluster's. */
const OTHER_PAIRS = ["front-proxy-client", "etcd/peer"];

/** Returns the certificates of a place by their files, those of other CAs included. */
export async function certificatesIn(config: ClusterConfig): Promise<Map<string, X509Certificate>> {
  const found = new Map<string, X509Certificate>();
  for (const kept of await keptCertificates(config)) found.set(certificatePath(kept), kept.cert);
  for (const name of OTHER_PAIRS) {
    const { cert: path } = clusterFiles(config).pair(name);
    const cert = await readCertificate(path);
    if (cert !== undefined) found.set(path, cert);
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

/**
 * Renews the certificates that end soon, of the cluster and of its control planes, as a start does.
 * Joined nodes ask for theirs themselves.
 */
export async function renewCluster(
  cluster: ClusterConfig,
  now_ms: number,
  note: (line: string) => void,
): Promise<void> {
  await ensurePki(cluster, now_ms, note);
  for (const own of controlPlanesOf(cluster)) {
    await ensureControlPlanePki(cluster, own, now_ms, note);
  }
}

/** One that has lost its data is removed and added again, with new identities. */
function controlPlanesOf(cluster: ClusterConfig): ClusterConfig[] {
  const lost = lostControlPlanes(cluster);
  const names = controlPlaneNames(cluster).filter((name) => !lost.includes(name));
  return names.map((name) => controlPlaneConfig(cluster, name));
}
