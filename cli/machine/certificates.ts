import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import * as pki from "@raft2kube/pki/certificate.ts";
import { checkCa } from "../pki/ca.ts";
import * as x509 from "../pki/certificates.ts";
import { type PairPaths, pathsOf } from "../pki/identities.ts";
import { CA_DAYS, CERTIFICATE_DAYS, readKeyPair, writeKeyPair } from "../pki/key-pair.ts";
import { CommandError } from "../terminal.ts";
import { addressOf, type ClusterSection, parseKubeadmConfig } from "./config/kubeadm.ts";
import { CONTROL_PLANE_USERS, kubeconfigPath } from "./layout.ts";

export type MachineNames = { readonly nodeName: string; readonly address: string };

/** The error of a machine that has files of another cluster. */
export function otherCluster(text: string): CommandError {
  const remedy = "if this machine is to leave that cluster: r2k reset; then join again";
  return new CommandError("OTHER_CLUSTER", text, { remedy });
}

/** The subjects of the certificate authorities, by kubeadm's names of their files. */
const AUTHORITIES = {
  ca: "kubernetes",
  "etcd/ca": "etcd-ca",
  "front-proxy-ca": "front-proxy-ca",
} as const;
export type Authority = keyof typeof AUTHORITIES;

type Unlimited = Omit<pki.CertificateRequest, "days">;

/** A certificate below one of them. */
export interface Leaf {
  readonly name: string;
  readonly authority: Authority;
  readonly request: Unlimited;
}

type Names = Pick<pki.CertificateRequest, "organizations" | "dnsNames" | "ipAddresses">;

/** The certificates of a control plane machine, in the order in which kubeadm makes them. */
export function leavesOf(cluster: ClusterSection, { nodeName, address }: MachineNames): Leaf[] {
  const { dnsDomain, serviceSubnet } = cluster.networking;
  const endpoint = cluster.controlPlaneEndpoint?.replace(/:\d+$/, "");
  const service = "kubernetes.default.svc";
  const ofServer = [
    ...[nodeName, "kubernetes", "kubernetes.default", service, `${service}.${dnsDomain}`],
    ...["localhost", addressOf(serviceSubnet, 1), address, "127.0.0.1"],
    ...[...(cluster.apiServer.certSANs ?? []), ...(endpoint ? [endpoint] : [])],
  ];
  const names = (all: readonly string[]): Names => ({
    // A machine may be called 101.
    dnsNames: all.filter((name) => isIP(name) === 0),
    ipAddresses: all.filter((name) => isIP(name) !== 0),
  });
  const member = names([nodeName, "localhost", address, "127.0.0.1", "::1"]);
  const admins = { organizations: ["kubeadm:cluster-admins"] };
  const [server, client, both] = [["server"], ["client"], ["server", "client"]] as const;
  type Row = readonly [string, Authority, string, pki.CertificateRequest["usages"], Names?];
  const rows: readonly Row[] = [
    ["apiserver", "ca", "kube-apiserver", server, names(ofServer)],
    ["apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", client, admins],
    ["front-proxy-client", "front-proxy-ca", "front-proxy-client", client],
    ["etcd/server", "etcd/ca", nodeName, both, member],
    ["etcd/peer", "etcd/ca", nodeName, both, member],
    ["etcd/healthcheck-client", "etcd/ca", "kube-etcd-healthcheck-client", client],
    ["apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client", client],
  ];
  return rows.map(([name, authority, commonName, usages, more]) => {
    return { name, authority, request: { commonName, usages, ...more } };
  });
}

/** A CA and its files; its key may be elsewhere. */
export interface CaPair {
  readonly cert: string;
  readonly key: string | undefined;
  readonly paths: PairPaths;
}

/** Reads a CA whose certificate is there. */
export async function readAuthority(dir: string, name: Authority): Promise<CaPair> {
  const paths = pathsOf(dir, name);
  const cert = await readFile(paths.cert, "utf8");
  x509.parseCertificate(paths.cert, cert);
  return { cert, key: await readIfPresent(paths.key), paths };
}

/**
 * Reads a CA, or makes it where there is neither half. A certificate without its key is used as it
 * is: an external CA. Throws CommandError for a key alone, one of another certificate, and an end.
 */
export async function ensureAuthority(dir: string, name: Authority, now_ms: number) {
  const paths = pathsOf(dir, name);
  if (existsSync(paths.cert) && !existsSync(paths.key)) return readAuthority(dir, name);
  const found = await readKeyPair(paths.cert, paths.key, (_, other) => {
    return `put it back, or remove ${other} for a new CA`;
  });
  if (found === undefined) {
    const made = await pki.createCa({ commonName: AUTHORITIES[name], days: CA_DAYS, now_ms });
    return { ...(await writeKeyPair(paths, made)), paths };
  }
  const key = "put the right one back; nothing was overwritten";
  checkCa(paths, found, now_ms, { key, end: "have it issued again, for the same key" });
  return { ...found, paths };
}

/**
 * Makes a certificate where there is none. One that is there is used if its CA issued it for the
 * names that it needs; else CommandError `CERTIFICATE` names what is wrong with it.
 */
export async function ensureLeaf(dir: string, leaf: Leaf, ca: CaPair, now_ms: number) {
  const paths = pathsOf(dir, leaf.name);
  const found = await readKeyPair(paths.cert, paths.key, (_, other) => {
    return `put it back, or remove ${other} too: both are made again`;
  });
  if (found === undefined) {
    await writeKeyPair(paths, await issueBy(ca, leaf.request, now_ms));
    return "made";
  }
  const fault = faultOf(x509.parseCertificate(paths.cert, found.cert), leaf.request, ca, now_ms);
  if (fault === undefined) return "used";
  const remedy = `remove it and ${paths.key}: they are made again; or put the right ones there`;
  throw new CommandError("CERTIFICATE", `${paths.cert} ${fault}`, { remedy });
}

/** Makes the CAs and certificates of a machine that are not there; yields what was done of each. */
export async function* ensureAll(cluster: ClusterSection, machine: MachineNames, now_ms: number) {
  const dir = cluster.certificatesDir;
  const leaves = leavesOf(cluster, machine);
  for (const authority of Object.keys(AUTHORITIES) as Authority[]) {
    // A store that others run has a CA of its own.
    if (authority === "etcd/ca" && cluster.etcd.external !== undefined) continue;
    const ca = await ensureAuthority(dir, authority, now_ms);
    for (const leaf of leaves.filter((each) => each.authority === authority)) {
      yield { name: leaf.name, done: await ensureLeaf(dir, leaf, ca, now_ms) };
    }
  }
}

/** The pair of a CA. Throws CommandError `EXTERNAL_CA` where its key is not here. */
function pairOf({ cert, key, paths }: CaPair, what: string): pki.KeyPair {
  if (key !== undefined) return { cert, key };
  const remedy = "have the external CA issue it, and put it with its key into its place";
  const text = `the CA's key ${paths.key} is not here, to issue the certificate of ${what}`;
  throw new CommandError("EXTERNAL_CA", text, { remedy });
}

/** Issues a certificate. Throws CommandError `EXTERNAL_CA` where the CA's key is not here. */
export function issueBy(ca: CaPair, request: Unlimited, now_ms: number): Promise<pki.KeyPair> {
  const pair = pairOf(ca, request.commonName);
  return pki.issueCertificate(pair, { ...request, days: CERTIFICATE_DAYS }, now_ms);
}

/** Returns why a certificate is not one of `ca` for the names of a request, if it is not. */
function faultOf(cert: X509Certificate, request: Unlimited, ca: CaPair, now_ms: number) {
  if (!x509.isIssuedBy(cert, new X509Certificate(ca.cert))) {
    return `was not issued by this cluster's CA (${ca.paths.cert})`;
  }
  if (cert.validToDate.getTime() <= now_ms) return `expired on ${cert.validTo}`;
  const { dnsNames = [], ipAddresses = [] } = request;
  const missing = [
    ...dnsNames.filter((name) => cert.checkHost(name) === undefined),
    ...ipAddresses.filter((ip) => cert.checkIP(ip) === undefined),
  ];
  return missing.length === 0 ? undefined : `is not valid for ${missing.join(", ")}`;
}

/** A certificate of a control plane machine, by kubeadm's name of it. */
export interface KeptLeaf {
  readonly name: string;
  readonly authority: Authority;
  readonly path: string;
  readonly cert: X509Certificate;
}

/** Reads the certificates that are on this machine; the kubelet renews its own. */
export async function keptLeaves(dir: string, kubeconfigOf = kubeconfigPath): Promise<KeptLeaf[]> {
  const { cluster } = parseKubeadmConfig("", "");
  const kept: KeptLeaf[] = [];
  for (const { name, authority } of leavesOf(cluster, { nodeName: "", address: "" })) {
    const path = pathsOf(dir, name).cert;
    const text = await readIfPresent(path);
    const cert = text === undefined ? undefined : x509.parseCertificate(path, text);
    if (cert) kept.push({ name: name.replace("/", "-"), authority, path, cert });
  }
  for (const user of CONTROL_PLANE_USERS) {
    const path = kubeconfigOf(user);
    const cert = await x509.kubeconfigCertificate(path);
    if (cert) kept.push({ name: `${user}.conf`, authority: "ca", path, cert });
  }
  return kept;
}

/** Issues a certificate again, for the same names and key. The CA's key has to be here. */
export async function renewLeaf(dir: string, leaf: KeptLeaf, now_ms: number): Promise<void> {
  const ca = await readAuthority(dir, leaf.authority);
  const pair = pairOf(ca, leaf.name);
  if (!x509.isIssuedBy(leaf.cert, x509.parseCertificate(ca.paths.cert, ca.cert))) {
    throw new CommandError("OTHER_CA", `${leaf.path} was not issued by ${ca.paths.cert}`, {
      remedy: "give the folder of its own cluster's CA by --cert-dir",
    });
  }
  const options = { days: CERTIFICATE_DAYS, now_ms };
  const renewed = await pki.renewCertificate(pair, String(leaf.cert), options);
  if (leaf.path.endsWith(".conf")) await x509.replaceCertificate(leaf.path, renewed);
  else await replaceFile(leaf.path, renewed, { mode: 0o644 });
}
