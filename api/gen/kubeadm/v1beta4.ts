/** The types of kubeadm.k8s.io/v1beta4, made from facts by scripts/api-gen.ts. */

import type { BootstrapToken } from "../bootstraptoken/v1.ts";
import type { EnvVar, HostPathType, PullPolicy, Taint } from "../core/v1.ts";
import type { Duration } from "../../scalars.ts";

export interface APIEndpoint {
  advertiseAddress?: string;
  bindPort?: number;
}

export interface APIServer extends ControlPlaneComponent {
  certSANs?: string[];
}

export interface Arg {
  name: string;
  value: string;
}

export interface BootstrapTokenDiscovery {
  token: string;
  apiServerEndpoint?: string;
  caCertHashes?: string[];
  unsafeSkipCAVerification?: boolean;
}

export interface ClusterConfiguration {
  apiVersion?: string;
  kind?: string;
  etcd?: Etcd;
  networking?: Networking;
  kubernetesVersion?: string;
  controlPlaneEndpoint?: string;
  apiServer?: APIServer;
  controllerManager?: ControlPlaneComponent;
  scheduler?: ControlPlaneComponent;
  dns?: DNS;
  proxy?: Proxy;
  certificatesDir?: string;
  imageRepository?: string;
  featureGates?: { [key: string]: boolean };
  clusterName?: string;
  encryptionAlgorithm?: EncryptionAlgorithmType;
  certificateValidityPeriod?: Duration;
  caCertificateValidityPeriod?: Duration;
}

export interface ControlPlaneComponent {
  extraArgs?: Arg[];
  extraVolumes?: HostPathMount[];
  extraEnvs?: EnvVar[];
}

export interface DNS extends ImageMeta {
  disabled?: boolean;
}

export interface Discovery {
  bootstrapToken?: BootstrapTokenDiscovery;
  file?: FileDiscovery;
  tlsBootstrapToken?: string;
}

export type EncryptionAlgorithmType = string;

export interface Etcd {
  local?: LocalEtcd;
  external?: ExternalEtcd;
}

export interface ExternalEtcd {
  endpoints: string[];
  httpEndpoints?: string[];
  caFile: string;
  certFile: string;
  keyFile: string;
}

export interface FileDiscovery {
  kubeConfigPath: string;
}

export interface HostPathMount {
  name: string;
  hostPath: string;
  mountPath: string;
  readOnly?: boolean;
  pathType?: HostPathType;
}

export interface ImageMeta {
  imageRepository?: string;
  imageTag?: string;
}

export interface InitConfiguration {
  apiVersion?: string;
  kind?: string;
  bootstrapTokens?: BootstrapToken[];
  dryRun?: boolean;
  nodeRegistration?: NodeRegistrationOptions;
  localAPIEndpoint?: APIEndpoint;
  certificateKey?: string;
  skipPhases?: string[];
  patches?: Patches;
  timeouts?: Timeouts;
}

export interface JoinConfiguration {
  apiVersion?: string;
  kind?: string;
  dryRun?: boolean;
  nodeRegistration?: NodeRegistrationOptions;
  caCertPath?: string;
  discovery: Discovery;
  controlPlane?: JoinControlPlane;
  skipPhases?: string[];
  patches?: Patches;
  timeouts?: Timeouts;
}

export interface JoinControlPlane {
  localAPIEndpoint?: APIEndpoint;
  certificateKey?: string;
}

export interface LocalEtcd extends ImageMeta {
  dataDir: string;
  extraArgs?: Arg[];
  extraEnvs?: EnvVar[];
  serverCertSANs?: string[];
  peerCertSANs?: string[];
}

export interface Networking {
  serviceSubnet?: string;
  podSubnet?: string;
  dnsDomain?: string;
}

export interface NodeRegistrationOptions {
  name?: string;
  criSocket?: string;
  taints: Taint[];
  kubeletExtraArgs?: Arg[];
  ignorePreflightErrors?: string[];
  imagePullPolicy?: PullPolicy;
  imagePullSerial?: boolean;
}

export interface Patches {
  directory?: string;
}

export interface Proxy {
  disabled?: boolean;
}

export interface ResetConfiguration {
  apiVersion?: string;
  kind?: string;
  cleanupTmpDir?: boolean;
  certificatesDir?: string;
  criSocket?: string;
  dryRun?: boolean;
  force?: boolean;
  ignorePreflightErrors?: string[];
  skipPhases?: string[];
  unmountFlags?: string[];
  timeouts?: Timeouts;
}

export interface Timeouts {
  controlPlaneComponentHealthCheck?: Duration;
  kubeletHealthCheck?: Duration;
  kubernetesAPICall?: Duration;
  etcdAPICall?: Duration;
  tlsBootstrap?: Duration;
  discovery?: Duration;
  upgradeManifests?: Duration;
}

export interface UpgradeApplyConfiguration {
  kubernetesVersion?: string;
  allowExperimentalUpgrades?: boolean;
  allowRCUpgrades?: boolean;
  certificateRenewal?: boolean;
  dryRun?: boolean;
  etcdUpgrade?: boolean;
  forceUpgrade?: boolean;
  ignorePreflightErrors?: string[];
  patches?: Patches;
  printConfig?: boolean;
  skipPhases?: string[];
  imagePullPolicy?: PullPolicy;
  imagePullSerial?: boolean;
}

export interface UpgradeConfiguration {
  apiVersion?: string;
  kind?: string;
  apply?: UpgradeApplyConfiguration;
  diff?: UpgradeDiffConfiguration;
  node?: UpgradeNodeConfiguration;
  plan?: UpgradePlanConfiguration;
  timeouts?: Timeouts;
}

export interface UpgradeDiffConfiguration {
  kubernetesVersion?: string;
  contextLines?: number;
}

export interface UpgradeNodeConfiguration {
  certificateRenewal?: boolean;
  dryRun?: boolean;
  etcdUpgrade?: boolean;
  ignorePreflightErrors?: string[];
  skipPhases?: string[];
  patches?: Patches;
  imagePullPolicy?: PullPolicy;
  imagePullSerial?: boolean;
}

export interface UpgradePlanConfiguration {
  kubernetesVersion?: string;
  allowExperimentalUpgrades?: boolean;
  allowRCUpgrades?: boolean;
  dryRun?: boolean;
  etcdUpgrade?: boolean;
  ignorePreflightErrors?: string[];
  printConfig?: boolean;
}
