import { join } from "node:path";
import { NODE_PARTS, type NodePart } from "@raft2kube/api/node-users.ts";
import { type NodeFiles, requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import type { CertificateRequest } from "@raft2kube/pki/certificate.ts";
import type { KubeconfigFormat } from "@raft2kube/pki/kubeconfig.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { hasSeveral } from "../spec/control-planes.ts";

/** The paths of a certificate and its key. */
export type PairPaths = { readonly cert: string; readonly key: string };

/** The paths of a pair by kubeadm's name of it, such as `ca` or `etcd/peer`. */
export const pathsOf = (dir: string, name: string): PairPaths => ({
  cert: join(dir, `${name}.crt`),
  key: join(dir, `${name}.key`),
});

/** Files of a cluster's identities, in kubeadm's layout under the data folder. */
export interface ClusterFiles {
  readonly pkiDir: string;
  /** The path of a kubeconfig by its user: `admin`, `kubelet`, ... */
  kubeconfig(user: KubeconfigUser): string;
  /** The paths of a certificate and its key by kubeadm's name: `ca`, `apiserver`, ... */
  pair(name: string): PairPaths;
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
  ...(Object.keys(CONTROL_USERS) as ControlUser[]),
  ...NODE_PARTS,
];

/**
 * The users with a kubeconfig in a place: of a control plane on a machine of its own its parts, of
 * the host of such ones the others.
 */
export function usersOf(config: Place): readonly KubeconfigUser[] {
  if (config.controlPlane !== undefined) return ["controller-manager", "scheduler"];
  return hasSeveral(config) ? ["admin", ...NODE_PARTS] : KUBECONFIG_USERS;
}

type Place = Pick<ClusterConfig, "controlPlane" | "controlPlanes">;

export function isNodePart(user: KubeconfigUser): user is NodePart {
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
    pair: (name) => pathsOf(pkiDir, name),
  };
}

/** The kubeconfig with the token by which a node joins. */
export function bootstrapPath({ dataDir }: Pick<ClusterConfig, "dataDir">): string {
  return join(dataDir, "bootstrap.conf");
}

/** The files of a node's own identities. */
export function nodeFiles(config: ClusterConfig): NodeFiles {
  const { name: clusterName, nodeName, nodeAddress } = config;
  const bootstrap = bootstrapPath(config);
  return { clusterName, nodeName, nodeAddress, bootstrap, ...clusterFiles(config) };
}

/** The pairs below the CA's in a place, by name. */
export function pairRequests(config: ClusterConfig): Record<string, Unlimited> {
  const kubelet = requestFor("kubelet-serving", config).subject;
  if (config.controlPlane === undefined && hasSeveral(config)) return { kubelet };
  return {
    apiserver: apiserverCertificate(config),
    "apiserver-kubelet-client": { commonName: "kube-apiserver-kubelet-client", usages: ["client"] },
    ...(config.controlPlane === undefined ? { kubelet } : {}),
  };
}

/** The certificate by which members of the store know each other, below a CA that has no others. */
export function peerRequest({ nodeName, nodeAddress }: ClusterConfig): Unlimited {
  return { commonName: nodeName, ipAddresses: [nodeAddress], usages: ["server", "client"] };
}

export function userRequest(user: KubeconfigUser, config: ClusterConfig): Unlimited {
  if (isNodePart(user)) return requestFor(user, config).subject;
  return { ...CONTROL_USERS[user], usages: ["client"] };
}

/**
 * Where a user reaches the API: parts of the control plane on loopback, those of the node too if
 * the balancer there passes their connections on to several servers.
 */
export function serverFor(user: KubeconfigUser, config: ClusterConfig): string {
  const isLocal = !isNodePart(user) || hasSeveral(config);
  return `https://${isLocal ? "127.0.0.1" : config.hostAddress}:${config.apiPort}`;
}

function apiserverCertificate(config: ClusterConfig): Unlimited {
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return {
    commonName: "kube-apiserver",
    dnsNames: ["localhost", ...service, `kubernetes.default.svc.${config.clusterDomain}`],
    ipAddresses: [
      "127.0.0.1",
      config.hostAddress,
      ...(config.controlPlane === undefined ? [] : [config.nodeAddress]),
      config.apiServiceAddress,
    ],
    usages: ["server"],
  };
}
