import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";

/** The node's name, in the endpoints that are its own. */
export const NODE_NAME = "here";
/** The node's zone, in the hints of endpoints. */
export const NODE_ZONE = "near";

/** A proxy that serves what it is given, in the network namespace of this process. */
export interface Served {
  /** Adds or replaces a Service and its only slice. Rules may take effect later. */
  set(service: Service, slice: EndpointSlice): Promise<void>;
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** A kind of proxy. */
export interface Implementation {
  name: string;
  /** `nodePortAddresses`: the ranges of addresses that serve node ports; by default all do. */
  start(nodePortAddresses?: string[]): Promise<Served>;
  /** Rules of the suite that it does not keep, by their names, and why. */
  refuses: Readonly<Record<string, string>>;
}
