import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";

/** The cluster's objects that the zone needs. */
export interface ClusterView {
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  /** Returns what the slices of a Service have. */
  backends(namespace: string, service: string): Backends;
  /** Returns the Service with this ClusterIP. */
  serviceAt(address: string): Service | undefined;
  /** Returns the slices with this address. */
  slicesAt(address: string): EndpointSlice[];
  /** The SOA serial: increases with every change. */
  serial(): number;
}

/** One address of a Service's endpoints. */
export interface Backend {
  address: string;
  /** The endpoint's own label below the Service. */
  host: string;
  ports: readonly { name: string; protocol: string; port: number }[];
}

/** A Service's endpoints; a host is in lower case. */
export interface Backends {
  readonly all: readonly Backend[];
  readonly byHost: ReadonlyMap<string, readonly Backend[]>;
}
