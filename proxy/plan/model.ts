/** Protocols of a Service, as nft spells them. */
export type Transport = "tcp" | "udp" | "sctp";

/** The address and port of an endpoint. */
export type Target = { address: string; port: number };

export const keyOf = ({ address, port }: Target) => `${address}:${port}`;

/** One port of a Service with its endpoints: input of the rules, independent of their kind. */
export interface ServicePort {
  /** `namespace/name:port-name/protocol`: unique and stable. */
  key: string;
  transport: Transport;
  port: number;
  clusterIps: string[];
  /** External and load balancer addresses. */
  externalIps: string[];
  nodePort: number | undefined;
  /** Timeout of ClientIP affinity in seconds; undefined: no affinity. */
  affinity_s: number | undefined;
  /** The usable endpoints of all nodes. */
  allEndpoints: Target[];
  /** The usable endpoints of this node. */
  localEndpoints: Target[];
  /** Endpoints of `allEndpoints` without a `nodeName`: pods of this node may be among them. */
  unplacedEndpoints: Target[];
  /**
   * Endpoints that serve but get no new connections from here: those that terminate beside ready
   * ones, and those that hints leave out. UDP flows to them stay, as connections of TCP do.
   */
  keptEndpoints: Target[];
  /** `internalTrafficPolicy: Local`: the ClusterIP uses local endpoints only. */
  internalLocal: boolean;
  /**
   * `externalTrafficPolicy: Local`: keeps the client's address, uses local endpoints only.
   */
  externalLocal: boolean;
  /** The endpoints' addresses if it is a port of `default/kubernetes`: the API servers. */
  apiAddresses: string[];
  /** `loadBalancerSourceRanges`: these of `externalIps` admit clients of these ranges only. */
  firewall: { addresses: string[]; ranges: string[] } | undefined;
}

/**
 * Returns about how many rules or elements modes have for a port: each frontend, each endpoint of
 * it, with session affinity `affinity` of them, and each source range. Local endpoints are not
 * counted again: nodes would differ in what they serve.
 */
export function rulesOf(port: ServicePort, affinity: number): number {
  const { clusterIps, externalIps, nodePort, allEndpoints, firewall } = port;
  const frontends = clusterIps.length + externalIps.length + (nodePort === undefined ? 0 : 1);
  const each = port.affinity_s === undefined ? 1 : affinity;
  const ranges = firewall ? firewall.addresses.length * firewall.ranges.length : 0;
  return frontends * (1 + allEndpoints.length * each) + ranges;
}

/** `healthCheckNodePort`: where a load balancer asks whether this node has endpoints. */
export interface HealthCheck {
  /** `namespace/name`. */
  service: string;
  port: number;
  /** Ready endpoints on this node. */
  localEndpoints: number;
}

/** A Service's ports, and for the log the reasons why the proxy cannot serve some. */
export type ServicePlan = { ports: ServicePort[]; problems: string[]; healthCheck?: HealthCheck };
