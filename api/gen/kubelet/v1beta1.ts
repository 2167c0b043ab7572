/** The types of kubelet.config.k8s.io/v1beta1, made from facts by scripts/api-gen.ts. */

import type { NodeConfigSource, ResourceList, Taint } from "../core/v1.ts";
import type { LoggingConfiguration } from "../logs/v1.ts";
import type { TracingConfiguration } from "../tracing/v1.ts";
import type { Duration, Time } from "../../scalars.ts";

export interface CrashLoopBackOffConfig {
  maxContainerRestartPeriod?: Duration;
}

export interface CredentialProvider {
  name: string;
  matchImages: string[];
  defaultCacheDuration: Duration;
  apiVersion: string;
  args?: string[];
  env?: ExecEnvVar[];
}

export interface CredentialProviderConfig {
  apiVersion?: string;
  kind?: string;
  providers: CredentialProvider[];
}

export interface ExecEnvVar {
  name: string;
  value: string;
}

export type HairpinMode = string;

export interface ImagePullCredentials {
  kubernetesSecrets?: ImagePullSecret[];
  kubernetesServiceAccounts?: ImagePullServiceAccount[];
  nodePodsAccessible?: boolean;
}

export type ImagePullCredentialsVerificationPolicy = string;

export interface ImagePullIntent {
  apiVersion?: string;
  kind?: string;
  image: string;
}

export interface ImagePullSecret {
  uid: string;
  namespace: string;
  name: string;
  credentialHash: string;
}

export interface ImagePullServiceAccount {
  uid: string;
  namespace: string;
  name: string;
}

export interface ImagePulledRecord {
  apiVersion?: string;
  kind?: string;
  lastUpdatedTime: Time;
  imageRef: string;
  credentialMapping?: { [key: string]: ImagePullCredentials };
}

export interface KubeletAnonymousAuthentication {
  enabled?: boolean;
}

export interface KubeletAuthentication {
  x509: KubeletX509Authentication;
  webhook: KubeletWebhookAuthentication;
  anonymous: KubeletAnonymousAuthentication;
}

export interface KubeletAuthorization {
  mode?: KubeletAuthorizationMode;
  webhook: KubeletWebhookAuthorization;
}

export type KubeletAuthorizationMode = string;

export interface KubeletConfiguration {
  apiVersion?: string;
  kind?: string;
  enableServer?: boolean;
  staticPodPath?: string;
  podLogsDir?: string;
  syncFrequency?: Duration;
  fileCheckFrequency?: Duration;
  httpCheckFrequency?: Duration;
  staticPodURL?: string;
  staticPodURLHeader?: { [key: string]: string[] };
  address?: string;
  port?: number;
  readOnlyPort?: number;
  tlsCertFile?: string;
  tlsPrivateKeyFile?: string;
  tlsCipherSuites?: string[];
  tlsCurvePreferences?: number[];
  tlsMinVersion?: string;
  rotateCertificates?: boolean;
  serverTLSBootstrap?: boolean;
  authentication: KubeletAuthentication;
  authorization: KubeletAuthorization;
  registryPullQPS?: number;
  registryBurst?: number;
  imagePullCredentialsVerificationPolicy?: ImagePullCredentialsVerificationPolicy;
  preloadedImagesVerificationAllowlist?: string[];
  eventRecordQPS?: number;
  eventBurst?: number;
  enableDebuggingHandlers?: boolean;
  enableContentionProfiling?: boolean;
  healthzPort?: number;
  healthzBindAddress?: string;
  oomScoreAdj?: number;
  clusterDomain?: string;
  clusterDNS?: string[];
  streamingConnectionIdleTimeout?: Duration;
  nodeStatusUpdateFrequency?: Duration;
  nodeStatusReportFrequency?: Duration;
  nodeLeaseDurationSeconds?: number;
  imageMinimumGCAge?: Duration;
  imageMaximumGCAge?: Duration;
  imageGCHighThresholdPercent?: number;
  imageGCLowThresholdPercent?: number;
  volumeStatsAggPeriod?: Duration;
  kubeletCgroups?: string;
  systemCgroups?: string;
  cgroupRoot?: string;
  cgroupsPerQOS?: boolean;
  cgroupDriver?: string;
  cpuManagerPolicy?: string;
  singleProcessOOMKill?: boolean;
  cpuManagerPolicyOptions?: { [key: string]: string };
  cpuManagerReconcilePeriod?: Duration;
  memoryManagerPolicy?: string;
  topologyManagerPolicy?: string;
  topologyManagerScope?: string;
  topologyManagerPolicyOptions?: { [key: string]: string };
  qosReserved?: { [key: string]: string };
  runtimeRequestTimeout?: Duration;
  hairpinMode?: string;
  maxPods?: number;
  podCIDR?: string;
  podPidsLimit?: number;
  resolvConf?: string;
  runOnce?: boolean;
  cpuCFSQuota?: boolean;
  cpuCFSQuotaPeriod?: Duration;
  nodeStatusMaxImages?: number;
  maxOpenFiles?: number;
  contentType?: string;
  kubeAPIQPS?: number;
  kubeAPIBurst?: number;
  serializeImagePulls?: boolean;
  maxParallelImagePulls?: number;
  evictionHard?: { [key: string]: string };
  evictionSoft?: { [key: string]: string };
  evictionSoftGracePeriod?: { [key: string]: string };
  evictionPressureTransitionPeriod?: Duration;
  evictionMaxPodGracePeriod?: number;
  evictionMinimumReclaim?: { [key: string]: string };
  mergeDefaultEvictionSettings?: boolean;
  podsPerCore?: number;
  enableControllerAttachDetach?: boolean;
  protectKernelDefaults?: boolean;
  makeIPTablesUtilChains?: boolean;
  iptablesMasqueradeBit?: number;
  iptablesDropBit?: number;
  featureGates?: { [key: string]: boolean };
  failSwapOn?: boolean;
  memorySwap?: MemorySwapConfiguration;
  containerLogMaxSize?: string;
  containerLogMaxFiles?: number;
  containerLogMaxWorkers?: number;
  containerLogMonitorInterval?: Duration;
  configMapAndSecretChangeDetectionStrategy?: ResourceChangeDetectionStrategy;
  systemReserved?: { [key: string]: string };
  kubeReserved?: { [key: string]: string };
  reservedSystemCPUs?: string;
  showHiddenMetricsForVersion?: string;
  systemReservedCgroup?: string;
  kubeReservedCgroup?: string;
  enforceNodeAllocatable?: string[];
  allowedUnsafeSysctls?: string[];
  volumePluginDir?: string;
  providerID?: string;
  kernelMemcgNotification?: boolean;
  logging?: LoggingConfiguration;
  enableSystemLogHandler?: boolean;
  enableSystemLogQuery?: boolean;
  shutdownGracePeriod?: Duration;
  shutdownGracePeriodCriticalPods?: Duration;
  shutdownGracePeriodByPodPriority?: ShutdownGracePeriodByPodPriority[];
  crashLoopBackOff?: CrashLoopBackOffConfig;
  reservedMemory?: MemoryReservation[];
  enableProfilingHandler?: boolean;
  enableDebugFlagsHandler?: boolean;
  seccompDefault?: boolean;
  memoryThrottlingFactor?: number;
  memoryReservationPolicy?: MemoryReservationPolicy;
  registerWithTaints?: Taint[];
  registerNode?: boolean;
  tracing?: TracingConfiguration;
  localStorageCapacityIsolation?: boolean;
  containerRuntimeEndpoint: string;
  imageServiceEndpoint?: string;
  failCgroupV1?: boolean;
  userNamespaces?: UserNamespaces;
}

export interface KubeletWebhookAuthentication {
  enabled?: boolean;
  cacheTTL?: Duration;
}

export interface KubeletWebhookAuthorization {
  cacheAuthorizedTTL?: Duration;
  cacheUnauthorizedTTL?: Duration;
}

export interface KubeletX509Authentication {
  clientCAFile?: string;
}

export interface MemoryReservation {
  numaNode: number;
  limits: ResourceList;
}

export type MemoryReservationPolicy = string;

export interface MemorySwapConfiguration {
  swapBehavior?: string;
}

export type ResourceChangeDetectionStrategy = string;

export interface SerializedNodeConfigSource {
  apiVersion?: string;
  kind?: string;
  source?: NodeConfigSource;
}

export interface ShutdownGracePeriodByPodPriority {
  priority: number;
  shutdownGracePeriodSeconds: number;
}

export interface UserNamespaces {
  idsPerPod?: number;
}
