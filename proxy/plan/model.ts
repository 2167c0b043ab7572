/** Protocols that a Service may have, as the kernel's rules spell them. */
export type Transport = "tcp" | "udp" | "sctp";

/** Where a connection may go. */
export interface Target {
  address: string;
  port: number;
}

/** One port of one Service, decided: what the rules have to do, whatever kind of rules they are. */
export interface ServicePort {
  /** `namespace/name:port-name/protocol`: unique, and stable while the Service is. */
  key: string;
  transport: Transport;
  port: number;
  clusterIps: string[];
  /** External and load balancer addresses. */
  externalIps: string[];
  nodePort: number | undefined;
  /** Seconds that a client keeps its endpoint; undefined: no affinity. */
  affinity_s: number | undefined;
  /** All usable endpoints. */
  everywhere: Target[];
  /** Those of this node. */
  here: Target[];
  /** `internalTrafficPolicy: Local`: the ClusterIP leads to endpoints of this node only. */
  internalLocal: boolean;
  /**
   * `externalTrafficPolicy: Local`: keeps the client's address, uses endpoints of this node only.
   */
  externalLocal: boolean;
  /** `default/kubernetes`: its endpoints are the API servers. */
  ofApi: boolean;
}

/**
 * A Service's ports, and what in it could not be served: told to the log, never silently left out.
 */
export interface ServicePlan {
  ports: ServicePort[];
  problems: string[];
}
