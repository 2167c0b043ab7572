import type { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { NODE_PARTS, type NodePart, type NodeUser, nodeUser } from "@raft2kube/api/node-users.ts";
import type { CertificateRequest } from "@raft2kube/pki/certificate.ts";
import type { KubeconfigFormat } from "@raft2kube/pki/kubeconfig.ts";
import { subjectOf } from "@raft2kube/pki/subject.ts";
import type { ClusterConfig } from "../spec/config.ts";

/** Files of a cluster's identities, in kubeadm's layout under the data folder. */
export interface ClusterFiles {
  readonly pkiDir: string;
  /** The path of a kubeconfig by its user: `admin`, `kubelet`, ... */
  kubeconfig(user: KubeconfigUser): string;
  /** The paths of a certificate and its key by kubeadm's name: `ca`, `apiserver`, ... */
  pair(name: string): { cert: string; key: string };
}

/** The control plane's users with their certificate subjects. Only admin is in system:masters. */
const CONTROL_USERS = {
  admin: { commonName: "kubernetes-admin", organizations: ["system:masters"] },
  "controller-manager": { commonName: "system:kube-controller-manager" },
  scheduler: { commonName: "system:kube-scheduler" },
} as const;

type ControlUser = keyof typeof CONTROL_USERS;

/** The users with a kubeconfig; a node that joins asks for the certificates of its parts itself. */
export type KubeconfigUser = ControlUser | NodePart;

export const KUBECONFIG_USERS: readonly KubeconfigUser[] = [
  ...(Object.keys(CONTROL_USERS) as ControlUser[]), ...NODE_PARTS,
];

function isNodePart(user: KubeconfigUser): user is NodePart {
  return NODE_PARTS.some((part) => part === user);
}

/** Each node reads the kubeconfigs of its own users. */
export function formatOf(user: KubeconfigUser): KubeconfigFormat {
  return isNodePart(user) ? "json" : "yaml";
}

type Unlimited = Omit<CertificateRequest, "days">;

export function clusterFiles(config: Pick<ClusterConfig, "dataDir">): ClusterFiles {
  const pkiDir = join(config.dataDir, "pki");
  return {
    pkiDir,
    kubeconfig: (user) => join(config.dataDir, `${user}.conf`),
    pair: (name) => ({ cert: join(pkiDir, `${name}.crt`), key: join(pkiDir, `${name}.key`) }),
  };
}

/** The pairs below the CA's, by name. */
export function pairRequests(config: ClusterConfig): Record<string, Unlimited> {
  return {
    apiserver: apiserverCertificate(config),
    "apiserver-kubelet-client": {
      commonName: "kube-apiserver-kubelet-client",
      usages: ["client"],
    },
    kubelet: kubeletCertificate(config),
  };
}

export function userRequest(user: KubeconfigUser, { nodeName }: ClusterConfig): Unlimited {
  if (!isNodePart(user)) return { ...CONTROL_USERS[user], usages: ["client"] };
  const { name, group } = nodeUser(user, nodeName);
  return { commonName: name, organizations: [group], usages: ["client"] };
}

/**
 * The user of a node's part, if `cert` is of another: clusters of earlier versions have users that
 * all nodes share.
 */
export function otherUser(
  cert: X509Certificate,
  user: KubeconfigUser,
  config: ClusterConfig,
): NodeUser | undefined {
  if (!isNodePart(user)) return undefined;
  const wanted = nodeUser(user, config.nodeName);
  const subject = { commonNames: [wanted.name], organizations: [wanted.group] };
  return isDeepStrictEqual(subjectOf(cert), subject) ? undefined : wanted;
}

/** Where a user reaches the API: parts of the control plane on loopback, those of the node not. */
export function serverFor(user: KubeconfigUser, config: ClusterConfig): string {
  const isLocal = user === "admin" || user === "controller-manager" || user === "scheduler";
  return `https://${isLocal ? "127.0.0.1" : config.hostAddress}:${config.apiPort}`;
}

function apiserverCertificate(config: ClusterConfig): Unlimited {
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return {
    commonName: "kube-apiserver",
    dnsNames: ["localhost", ...service, `kubernetes.default.svc.${config.clusterDomain}`],
    ipAddresses: ["127.0.0.1", config.hostAddress, config.apiServiceAddress],
    usages: ["server"],
  };
}

/** Returns the request for the kubelet's serving certificate. */
export function kubeletCertificate(config: ClusterConfig): Unlimited {
  return {
    commonName: `system:node:${config.nodeName}`,
    organizations: ["system:nodes"],
    dnsNames: [config.nodeName],
    ipAddresses: [config.nodeAddress],
    usages: ["server"],
  };
}
