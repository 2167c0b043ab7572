import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";

/** What the resolver has to know of the cluster. */
export interface ClusterView {
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  /** The slices of a Service. */
  slices(namespace: string, service: string): EndpointSlice[];
  /** The Service with this ClusterIP. */
  serviceAt(address: string): Service | undefined;
  /** The slices that hold this address. */
  slicesAt(address: string): EndpointSlice[];
  /** Changes whenever any of it does, and never goes back. */
  serial(): number;
}

/** One address that a Service's name leads to. */
export interface Backend {
  address: string;
  /** The endpoint's own label below the Service. */
  host: string;
  ports: { name: string; protocol: string; port: number }[];
}
