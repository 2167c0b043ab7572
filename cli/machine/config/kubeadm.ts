import { readFile } from "node:fs/promises";
import { parseCidr, addressOf as textOf } from "@raft2kube/api/cidr.ts";
import type { BootstrapToken } from "@raft2kube/api/gen/bootstraptoken/v1.ts";
import type * as kubeadm from "@raft2kube/api/gen/kubeadm/v1beta4.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { overlaps } from "@raft2kube/std/ip.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { parseAllDocuments, stringify } from "yaml";
import { API_LEVEL, KUBEADM_VERSION } from "../../version.ts";
import { CERTIFICATES_DIR, ETCD_DATA_DIR, NODE_AGENT } from "../layout.ts";
import { IMAGE_REPOSITORY } from "../release-images.ts";
import {
  checked,
  type Fields,
  type Kind,
  type Rules,
  requireKind,
  requireValid,
} from "./fields.ts";
import { checkKubeletConfig } from "./kubelet-config.ts";
import { PROXY_RULES } from "./proxy-config.ts";

const isRange = (value: unknown) => parseCidr(String(value))?.family === "IPv4";

const { criEndpoint: own } = NODE_AGENT;
const OWN_RUNTIME = [`a machine's runtime is the product's own: ${own}`, [own]] as const;

/** Rules of the machine and of its addresses. */
const RULES: Readonly<Record<Kind, Rules>> = {
  ClusterConfiguration: {
    "networking.podSubnet": ["not an IPv4 range", isRange],
    "networking.serviceSubnet": ["not an IPv4 range", isRange],
  },
  InitConfiguration: { "nodeRegistration.criSocket": OWN_RUNTIME },
  JoinConfiguration: { "nodeRegistration.criSocket": OWN_RUNTIME },
  KubeletConfiguration: { containerRuntimeEndpoint: OWN_RUNTIME },
  KubeProxyConfiguration: PROXY_RULES,
};

/** The version, and how certificates are made: of a cluster that is there they may be another's. */
const OF_NEW: Rules = {
  kubernetesVersion: [`this r2k is ${API_LEVEL} only`, [API_LEVEL, API_LEVEL.slice(1)]],
  encryptionAlgorithm: ["ECDSA-P256 only", ["ECDSA-P256"]],
  certificateValidityPeriod: ["8760h0m0s only", ["8760h0m0s"]],
  caCertificateValidityPeriod: ["87600h0m0s only", ["87600h0m0s"]],
};

export interface KubeadmConfig {
  readonly cluster: ClusterSection;
  readonly init: kubeadm.InitConfiguration & typeof DEFAULT_INIT;
  readonly join: kubeadm.JoinConfiguration & typeof DEFAULT_JOIN;
  readonly kubelet: Fields;
  readonly proxy: Fields;
}
export type ClusterSection = kubeadm.ClusterConfiguration & typeof DEFAULT_CLUSTER;

const DEFAULT_CLUSTER = {
  clusterName: "kubernetes",
  kubernetesVersion: API_LEVEL,
  certificatesDir: CERTIFICATES_DIR,
  imageRepository: IMAGE_REPOSITORY,
  // kubeadm has no default for pods, as it leaves their network to others.
  networking: {
    dnsDomain: "cluster.local",
    podSubnet: "10.244.0.0/16",
    serviceSubnet: "10.96.0.0/12",
  },
  apiServer: {},
  controllerManager: {},
  scheduler: {},
  etcd: { local: { dataDir: ETCD_DATA_DIR } },
};
const DEFAULT_INIT = {
  localAPIEndpoint: { bindPort: 6443 },
  nodeRegistration: {},
  bootstrapTokens: [] as readonly BootstrapToken[],
  skipPhases: [] as readonly string[],
};
const DEFAULT_JOIN = { discovery: {}, nodeRegistration: {} };

type FlagFields = { readonly [K in Kind]?: Fields };

/** Reads a file of kubeadm's; without one the defaults. Flags come before either. */
export async function readKubeadmConfig(
  path: string | undefined,
  flags: FlagFields = {},
): Promise<KubeadmConfig> {
  const text = path === undefined ? "" : await readFile(path, "utf8");
  return parseKubeadmConfig(text, path ?? "the configuration", false, flags);
}

/** The documents of a file. Throws CommandError `CONFIG` for text that is no YAML. */
export function documentsIn(text: string, path: string): Fields[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [fault] = document.errors;
    if (fault) requireValid(path, [messageOf(fault)]);
    const value = document.toJS() as Fields | null;
    return value === null ? [] : [value];
  });
}

/**
 * Parses the documents of a file. Throws CommandError `CONFIG` that names each fault. Of a cluster
 * that is there, as its ConfigMap describes it, version and certificates may be another's.
 */
export function parseKubeadmConfig(
  text: string,
  path: string,
  isOfCluster = false,
  flags: FlagFields = {},
): KubeadmConfig {
  const found = new Map<string, Fields>();
  for (const { kind, apiVersion, ...fields } of documentsIn(text, path)) {
    requireKind(path, String(kind), String(apiVersion));
    requireValid(path, found.has(String(kind)) ? [`${kind} is there twice`] : []);
    found.set(String(kind), fields);
  }
  const section = <T>(kind: Kind, defaults: object, more: Rules = {}): T => {
    const value = merge(merge(defaults, found.get(kind)), flags[kind]) as Fields;
    return checked(`${path}: ${kind}`, value, kind, { ...RULES[kind], ...more });
  };
  const ofNew = isOfCluster ? {} : OF_NEW;
  const kubelet = section<Fields>("KubeletConfiguration", {});
  checkKubeletConfig(`${path}: KubeletConfiguration`, kubelet);
  const config: KubeadmConfig = {
    cluster: section("ClusterConfiguration", DEFAULT_CLUSTER, ofNew),
    init: section("InitConfiguration", DEFAULT_INIT),
    join: section("JoinConfiguration", DEFAULT_JOIN),
    kubelet,
    proxy: section("KubeProxyConfiguration", {}),
  };
  requireValid(path, faultsOf(config));
  return config;
}

/** A value with the defaults for what is not set in it; lists are replaced. */
function merge(defaults: unknown, value: unknown): unknown {
  if (value === undefined || value === null || value === "") return defaults;
  if (!isRecord(value)) return value;
  const of = isRecord(defaults) ? defaults : {};
  const names = Object.keys({ ...of, ...value });
  return given(Object.fromEntries(names.map((name) => [name, merge(of[name], value[name])])));
}

/** Faults of fields that do not belong together. */
function faultsOf({ cluster, init }: KubeadmConfig): string[] {
  const { podSubnet, serviceSubnet } = cluster.networking;
  const { local, external } = cluster.etcd;
  const { endpoints = [], certFile, keyFile } = external ?? {};
  const faults = {
    [`networking.podSubnet ${podSubnet} overlaps serviceSubnet ${serviceSubnet}`]: overlaps(
      podSubnet,
      serviceSubnet,
    ),
    // A file that has the section does not have the defaults' own.
    "etcd.external excludes etcd.local": external && local !== DEFAULT_CLUSTER.etcd.local,
    "etcd.external.endpoints: at least one is needed": external && endpoints.length === 0,
    "etcd.external: certFile and keyFile belong together": !certFile !== !keyFile,
    "bootstrapTokens: ttl and expires exclude each other": init.bootstrapTokens.some(
      ({ ttl, expires }) => ttl !== undefined && expires !== undefined,
    ),
  };
  return Object.entries(faults).flatMap(([text, isTrue]) => (isTrue ? [text] : []));
}

/** The ClusterConfiguration as a document, as kubeadm keeps it in `kubeadm-config`. */
export function clusterDocument(cluster: ClusterSection): string {
  const { local, external } = cluster.etcd;
  const etcd = external ? { external } : { local };
  return stringify({ apiVersion: KUBEADM_VERSION, kind: "ClusterConfiguration", ...cluster, etcd });
}

/** The address of a range: 1 is `kubernetes.default`, 10 is kubeadm's for DNS. */
export const addressOf = (range: string, number: number): string =>
  textOf(parseCidr(range)!.first + BigInt(number), "IPv4");
