/** The types of kubeproxy.config.k8s.io/v1alpha1, made from facts by scripts/api-gen.ts. */

import type { ClientConnectionConfiguration } from "../componentconfig/v1alpha1.ts";
import type { LoggingConfiguration } from "../logs/v1.ts";
import type { Duration } from "../../scalars.ts";

export interface DetectLocalConfiguration {
  bridgeInterface: string;
  interfaceNamePrefix: string;
}

export interface KubeProxyConfiguration {
  apiVersion?: string;
  kind?: string;
  featureGates?: { [key: string]: boolean };
  clientConnection: ClientConnectionConfiguration;
  logging?: LoggingConfiguration;
  hostnameOverride: string;
  bindAddress: string;
  healthzBindAddress: string;
  metricsBindAddress: string;
  bindAddressHardFail: boolean;
  enableProfiling: boolean;
  showHiddenMetricsForVersion: string;
  mode: ProxyMode;
  iptables: KubeProxyIPTablesConfiguration;
  ipvs: KubeProxyIPVSConfiguration;
  nftables: KubeProxyNFTablesConfiguration;
  winkernel: KubeProxyWinkernelConfiguration;
  detectLocalMode: LocalMode;
  detectLocal: DetectLocalConfiguration;
  clusterCIDR: string;
  nodePortAddresses: string[];
  oomScoreAdj: number;
  conntrack: KubeProxyConntrackConfiguration;
  configSyncPeriod: Duration;
  portRange: string;
  windowsRunAsService?: boolean;
}

export interface KubeProxyConntrackConfiguration {
  maxPerCore: number;
  min: number;
  tcpEstablishedTimeout: Duration;
  tcpCloseWaitTimeout: Duration;
  tcpBeLiberal: boolean;
  udpTimeout: Duration;
  udpStreamTimeout: Duration;
}

export interface KubeProxyIPTablesConfiguration {
  masqueradeBit: number;
  masqueradeAll: boolean;
  localhostNodePorts: boolean;
  syncPeriod: Duration;
  minSyncPeriod: Duration;
}

export interface KubeProxyIPVSConfiguration {
  syncPeriod: Duration;
  minSyncPeriod: Duration;
  scheduler: string;
  excludeCIDRs: string[];
  strictARP: boolean;
  tcpTimeout: Duration;
  tcpFinTimeout: Duration;
  udpTimeout: Duration;
}

export interface KubeProxyNFTablesConfiguration {
  masqueradeBit: number;
  masqueradeAll: boolean;
  syncPeriod: Duration;
  minSyncPeriod: Duration;
}

export interface KubeProxyWinkernelConfiguration {
  networkName: string;
  sourceVip: string;
  enableDSR: boolean;
  rootHnsEndpointName: string;
  forwardHealthCheckVip: boolean;
}

export type LocalMode = string;

export type ProxyMode = string;
