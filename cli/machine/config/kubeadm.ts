import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { parseCidr, addressOf as textOf } from "@raft2kube/api/cidr.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { overlaps } from "@raft2kube/std/ip.ts";
import { own } from "@raft2kube/std/own.ts";
import { parseAllDocuments, stringify } from "yaml";
import { CommandError } from "../../terminal.ts";
import { API_LEVEL } from "../../version.ts";
import { CERTIFICATES_DIR, ETCD_DATA_DIR } from "../layout.ts";
import { IMAGE_REPOSITORY } from "../release-images.ts";
import { type Fields, type Form, type Of, refuseOthers, requireValid } from "./fields.ts";
import { checkKubeletConfig } from "./kubelet-config.ts";
import { requireOwnRuntime } from "./node-flags.ts";

export const KUBEADM_VERSION = "kubeadm.k8s.io/v1beta4";

/** How certificates are made here, by kubeadm's fields for it. */
const OF_CERTIFICATES = {
  encryptionAlgorithm: "ECDSA-P256",
  certificateValidityPeriod: "8760h0m0s",
  caCertificateValidityPeriod: "87600h0m0s",
} as const;

const ARG = { name: "text!", value: "text!" } as const;
const COMPONENT = {
  extraArgs: [ARG],
  extraVolumes: [
    { name: "text!", hostPath: "text!", mountPath: "text!", readOnly: "flag", pathType: "text" },
  ],
} as const;
/** A store that is run by others, with the files by which API servers reach it. */
const EXTERNAL_ETCD = {
  endpoints: "texts!",
  /** Where it serves plain HTTP; kubeadm fills the field. Kept for kubeadm, and not asked. */
  httpEndpoints: "texts",
  caFile: "text",
  certFile: "text",
  keyFile: "text",
} as const;
const NODE = {
  name: "text",
  criSocket: "text",
  taints: [{ key: "text!", value: "text", effect: "text!" }],
  kubeletExtraArgs: [ARG],
  ignorePreflightErrors: "texts",
  imagePullPolicy: "text",
} as const;
const TOKEN = {
  token: "text",
  ttl: "text",
  expires: "text",
  usages: "texts",
  groups: "texts",
  description: "text",
} as const;
const ENDPOINT = { advertiseAddress: "text", bindPort: "number" } as const;
/** The folder of this machine's patches of static pods and of the kubelet's configuration. */
const PATCHES = { directory: "text" } as const;

/** The fields of each kind that are supported. */
const FORMS = {
  ClusterConfiguration: {
    clusterName: "text",
    kubernetesVersion: "text",
    controlPlaneEndpoint: "text",
    certificatesDir: "text",
    imageRepository: "text",
    encryptionAlgorithm: "text",
    certificateValidityPeriod: "text",
    caCertificateValidityPeriod: "text",
    networking: { dnsDomain: "text", podSubnet: "text", serviceSubnet: "text" },
    apiServer: { ...COMPONENT, certSANs: "texts" },
    controllerManager: COMPONENT,
    scheduler: COMPONENT,
    /** An external store takes the place of the local one. */
    etcd: { local: { dataDir: "text", extraArgs: [ARG] }, external: EXTERNAL_ETCD },
  },
  InitConfiguration: {
    localAPIEndpoint: ENDPOINT,
    nodeRegistration: NODE,
    bootstrapTokens: [TOKEN],
    skipPhases: "texts",
    patches: PATCHES,
    /** The key of the files that control planes share; given, they are uploaded. */
    certificateKey: "text",
  },
  JoinConfiguration: {
    discovery: {
      bootstrapToken: {
        token: "text!",
        apiServerEndpoint: "text!",
        caCertHashes: "texts",
        unsafeSkipCAVerification: "flag",
      },
      file: { kubeConfigPath: "text!" },
      tlsBootstrapToken: "text",
    },
    nodeRegistration: NODE,
    patches: PATCHES,
    /** Makes the machine a further control plane; absent: a worker. */
    controlPlane: { localAPIEndpoint: ENDPOINT, certificateKey: "text" },
  },
} as const satisfies Readonly<Record<string, Form>>;

export type Arg = Of<typeof ARG>;
/** Changes of a control plane component's manifest. */
export type ComponentConfig = Of<typeof COMPONENT>;
export type ExternalEtcd = Of<typeof EXTERNAL_ETCD>;
export type NodeRegistration = Of<typeof NODE>;
export type BootstrapToken = Of<typeof TOKEN>;

/** The documents of a configuration file, with their defaults. */
export interface KubeadmConfig {
  readonly cluster: ClusterSection;
  readonly init: InitSection;
  readonly join: JoinSection;
  readonly kubelet: Fields;
  readonly proxy: Fields;
}
export type ClusterSection = Of<typeof FORMS.ClusterConfiguration> & typeof DEFAULT_CLUSTER;
export type InitSection = Of<typeof FORMS.InitConfiguration> & typeof DEFAULT_INIT;
export type JoinSection = Of<typeof FORMS.JoinConfiguration> & typeof DEFAULT_JOIN;

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

/** Fields of documents that flags give. */
type FlagFields = { readonly [K in keyof typeof FORMS]?: Fields };

/** Reads a file of kubeadm's; without one the defaults. Flags come before either. */
export async function readKubeadmConfig(
  path: string | undefined,
  flags: FlagFields = {},
): Promise<KubeadmConfig> {
  const text = path === undefined ? "" : await readFile(path, "utf8");
  return parseKubeadmConfig(text, path ?? "", false, flags);
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
  for (const document of parseAllDocuments(text)) {
    const [fault] = document.errors;
    if (fault) requireValid(path, [messageOf(fault)]);
    const value = document.toJS() as Fields | null;
    if (value === null) continue;
    const kind = String(value["kind"]);
    requireVersion(path, kind, String(value["apiVersion"]));
    const { apiVersion: _, kind: __, ...fields } = value;
    const form = own(FORMS, kind);
    if (form) refuseOthers(`${path}: ${kind}`, fields, form);
    found.set(kind, form ? fields : value);
  }
  const kubelet = found.get("KubeletConfiguration") ?? {};
  checkKubeletConfig(`${path}: KubeletConfiguration`, kubelet);
  const of = <T>(kind: keyof typeof FORMS, defaults: T) =>
    merge(merge(defaults, found.get(kind)), flags[kind]) as T;
  const config = {
    cluster: of<ClusterSection>("ClusterConfiguration", DEFAULT_CLUSTER),
    init: of<InitSection>("InitConfiguration", DEFAULT_INIT),
    join: of<JoinSection>("JoinConfiguration", DEFAULT_JOIN),
    kubelet,
    proxy: found.get("KubeProxyConfiguration") ?? {},
  };
  const ownFaults = isOfCluster ? [] : faultsOfNew(config.cluster);
  requireValid(path || "the configuration", [...faultsOf(config), ...ownFaults]);
  const sockets = [config.init, config.join].map(
    ({ nodeRegistration }) => nodeRegistration.criSocket,
  );
  for (const socket of [...sockets, kubelet["containerRuntimeEndpoint"]]) {
    if (socket) requireOwnRuntime(String(socket));
  }
  return config;
}

const VERSIONS: Readonly<Record<string, string>> = {
  ClusterConfiguration: KUBEADM_VERSION,
  InitConfiguration: KUBEADM_VERSION,
  JoinConfiguration: KUBEADM_VERSION,
  KubeletConfiguration: "kubelet.config.k8s.io/v1beta1",
  KubeProxyConfiguration: "kubeproxy.config.k8s.io/v1alpha1",
};

function requireVersion(path: string, kind: string, version: string): void {
  const wanted = VERSIONS[kind];
  if (wanted === version) return;
  const is = `${path}: ${kind} of ${version} is not supported`;
  const isOld = version.startsWith("kubeadm.k8s.io/") && kind !== "undefined";
  throw new CommandError("CONFIG", is, {
    remedy: isOld
      ? `write it as ${KUBEADM_VERSION}; r2k config migrate does so`
      : `documents are ${Object.keys(VERSIONS).join(", ")}`,
  });
}

function merge(defaults: unknown, value: unknown): unknown {
  if (value === undefined || value === null || value === "") return defaults;
  if (typeof defaults !== "object" || typeof value !== "object") return value;
  if (Array.isArray(value)) return value;
  const result: Record<string, unknown> = { ...defaults };
  for (const [name, inner] of Object.entries(value)) {
    const merged = merge((defaults as Fields | null)?.[name], inner);
    if (merged !== undefined) result[name] = merged;
  }
  return result;
}

function faultsOf({ cluster, init, join }: KubeadmConfig): string[] {
  const { podSubnet, serviceSubnet, dnsDomain } = cluster.networking;
  const faults = Object.entries({ podSubnet, serviceSubnet }).flatMap(([name, range]) => {
    const fault = `networking.${name}: not an IPv4 range: ${range}`;
    return parseCidr(range)?.family === "IPv4" ? [] : [fault];
  });
  if (faults.length === 0 && overlaps(podSubnet, serviceSubnet)) {
    faults.push(`networking.podSubnet ${podSubnet} overlaps serviceSubnet ${serviceSubnet}`);
  }
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(dnsDomain)) {
    faults.push(`networking.dnsDomain: not a domain: ${dnsDomain}`);
  }
  for (const {
    nodeRegistration: { imagePullPolicy: policy },
  } of [init, join]) {
    if (policy !== "Always") continue;
    faults.push("nodeRegistration.imagePullPolicy Always: the images are the release's own");
  }
  return [...faults, ...storeFaults(cluster.etcd), ...init.bootstrapTokens.flatMap(tokenFaults)];
}

/** Faults of a cluster that is yet to be made. */
function faultsOfNew(cluster: ClusterSection): string[] {
  const { kubernetesVersion } = cluster;
  const isOwn = kubernetesVersion === API_LEVEL || kubernetesVersion === API_LEVEL.slice(1);
  const names = Object.keys(OF_CERTIFICATES) as (keyof typeof OF_CERTIFICATES)[];
  return [
    ...(isOwn ? [] : [`kubernetesVersion ${kubernetesVersion}: this r2k is ${API_LEVEL} only`]),
    ...names
      .filter((name) => ![undefined, OF_CERTIFICATES[name]].includes(cluster[name] as never))
      .map((name) => `${name} ${cluster[name]}: ${OF_CERTIFICATES[name]} only`),
  ];
}

function storeFaults({ local, external }: ClusterSection["etcd"]): string[] {
  if (external === undefined) return [];
  const { endpoints, httpEndpoints, caFile, certFile, keyFile } = external;
  const isUrl = (text: unknown) => /^https?:\/\/[^/,\s]+:\d+\/?$/.test(String(text));
  const listOf = (value: unknown) => (Array.isArray(value) ? (value as unknown[]) : []);
  const listed = listOf(endpoints);
  const files = Object.entries(given({ caFile, certFile, keyFile }));
  const faults = [
    // A file that has the section does not have the defaults' own.
    ...(local === DEFAULT_CLUSTER.etcd.local ? [] : ["excludes etcd.local"]),
    ...(listed.length === 0 ? ["endpoints: at least one is needed"] : []),
    ...listed.filter((each) => !isUrl(each)).map((each) => `endpoints: no URL with port: ${each}`),
    ...listOf(httpEndpoints)
      .filter((each) => !isUrl(each))
      .map((each) => `httpEndpoints: no URL with port: ${each}`),
    ...files
      .filter(([, file]) => !isAbsolute(String(file)))
      .map(([name, file]) => `${name}: not an absolute path: ${file}`),
    ...((certFile === undefined) === (keyFile === undefined)
      ? []
      : ["certFile and keyFile belong together"]),
  ];
  return faults.map((fault) => `etcd.external.${fault}`);
}

const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

function tokenFaults({ ttl, expires, usages = [], groups = [] }: BootstrapToken, index: number) {
  const faults = [
    ...usages
      .filter((each) => !["signing", "authentication"].includes(each))
      .map((each) => `usages: ${each} is neither signing nor authentication`),
    ...groups
      .filter((each) => !GROUP.test(each))
      .map((each) => `groups: ${each} is no group system:bootstrappers:NAME`),
    ...(expires !== undefined && ttl !== undefined ? ["ttl and expires exclude each other"] : []),
    ...(expires !== undefined && Number.isNaN(Date.parse(expires))
      ? [`expires: not a time: ${expires}`]
      : []),
  ];
  return faults.map((fault) => `bootstrapTokens[${index}].${fault}`);
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
