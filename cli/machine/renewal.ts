import type { X509Certificate } from "node:crypto";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { renewCertificate } from "@raft2kube/pki/certificate.ts";
import {
  isIssuedBy,
  kubeconfigCertificate,
  parseCertificate,
  replaceCertificate,
} from "../pki/certificates.ts";
import { CERTIFICATE_DAYS } from "../pki/key-pair.ts";
import { CommandError } from "../terminal.ts";
import { type Authority, leavesOf, pathsOf, readAuthority } from "./certificates.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { CONTROL_PLANE_KUBECONFIGS, kubeconfigPath } from "./layout.ts";

/** A certificate of a control plane machine, by kubeadm's name of it. */
export interface KeptLeaf {
  readonly name: string;
  readonly authority: Authority;
  readonly path: string;
  readonly isKubeconfig: boolean;
  readonly cert: X509Certificate;
}

/** Reads the certificates that are on this machine; the kubelet renews its own. */
export async function keptLeaves(
  dir: string,
  kubeconfigOf: (user: string) => string = kubeconfigPath,
): Promise<KeptLeaf[]> {
  const { cluster } = parseKubeadmConfig("", "");
  const kept: KeptLeaf[] = [];
  for (const { name: file, authority } of leavesOf(cluster, { nodeName: "", address: "" })) {
    const path = pathsOf(dir, file).cert;
    const text = await readIfPresent(path);
    if (text === undefined) continue;
    const name = file.replace("/", "-");
    kept.push({ name, authority, path, isKubeconfig: false, cert: parseCertificate(path, text) });
  }
  for (const user of CONTROL_PLANE_KUBECONFIGS) {
    const path = kubeconfigOf(user);
    const cert = await kubeconfigCertificate(path);
    if (cert === undefined) continue;
    kept.push({ name: `${user}.conf`, authority: "ca", path, isKubeconfig: true, cert });
  }
  return kept;
}

/** Issues a certificate again, for the same names and key. The CA's key has to be here. */
export async function renewLeaf(dir: string, leaf: KeptLeaf, now_ms: number): Promise<void> {
  const paths = pathsOf(dir, leaf.authority);
  const { cert, key } = await readAuthority(dir, leaf.authority);
  if (key === undefined) {
    throw new CommandError("EXTERNAL_CA", `${leaf.name}: the CA's key ${paths.key} is not here`, {
      remedy: "have the external CA issue the certificate again",
    });
  }
  if (!isIssuedBy(leaf.cert, parseCertificate(paths.cert, cert))) {
    throw new CommandError("OTHER_CA", `${leaf.path} was not issued by ${paths.cert}`, {
      remedy: "give the folder of its own cluster's CA by --cert-dir",
    });
  }
  const options = { days: CERTIFICATE_DAYS, now_ms };
  const renewed = await renewCertificate({ cert, key }, String(leaf.cert), options);
  if (leaf.isKubeconfig) await replaceCertificate(leaf.path, renewed);
  else await replaceFile(leaf.path, renewed, { mode: 0o644 });
}
