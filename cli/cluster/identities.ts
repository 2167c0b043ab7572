import { join } from "node:path";
import type { CertificateRequest } from "@raft2kube/pki/certificate.ts";
import type { KubeconfigFormat } from "@raft2kube/pki/kubeconfig.ts";
import type { ClusterConfig } from "./config.ts";

/** Files of a cluster's identities, in kubeadm's layout under the data folder. */
export interface ClusterFiles {
  readonly pkiDir: string;
  /** The path of a kubeconfig by its user: `admin`, `kubelet`, ... */
  kubeconfig(user: KubeconfigUser): string;
  /** The paths of a certificate and its key by kubeadm's name: `ca`, `apiserver`, ... */
  pair(name: string): { cert: string; key: string };
}

/**
 * The users with a kubeconfig, and their certificate subjects. Only admin is in system:masters.
 */
const USERS = {
  admin: { commonName: "kubernetes-admin", organizations: ["system:masters"] },
  "controller-manager": { commonName: "system:kube-controller-manager" },
  scheduler: { commonName: "system:kube-scheduler" },
  kubelet: { commonName: "system:node:", organizations: ["system:nodes"] },
  proxy: { commonName: "system:kube-proxy" },
  dns: { commonName: "system:r2k:dns" },
  "csi-provisioner": { commonName: "system:r2k:csi-provisioner" },
} as const;

export type KubeconfigUser = keyof typeof USERS;

export const KUBECONFIG_USERS = Object.keys(USERS) as KubeconfigUser[];

/** The users that a node's parts are; a node that joins asks for their certificates itself. */
export const NODE_USERS = ["kubelet", "proxy", "dns", "csi-provisioner"] as const;

/** Each node reads the kubeconfigs of its own users. */
export function formatOf(user: KubeconfigUser): KubeconfigFormat {
  return NODE_USERS.some((name) => name === user) ? "json" : "yaml";
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
  const { commonName, ...rest } = USERS[user];
  const name = user === "kubelet" ? `${commonName}${nodeName}` : commonName;
  return { commonName: name, ...rest, usages: ["client"] };
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
