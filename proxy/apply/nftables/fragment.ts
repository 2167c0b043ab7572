import type { ServicePort } from "../../plan/model.ts";
import { addFirewall, addFrontends, addHairpins } from "./frontends.ts";
import { renderRandomEndpoint } from "./random-endpoint.ts";
import { renderSessionAffinity } from "./session-affinity.ts";

/** The objects that one Service port needs in the table; ports may share objects. */
export interface Fragment {
  /** The rules of each chain. */
  chains: Map<string, string[]>;
  /** The definition of each set of clients. */
  sets: Map<string, string>;
  elements: Element[];
}

/** An element of one of the table's sets and maps. */
export interface Element {
  set: string;
  key: string;
  /** The value in a map; empty in a set. */
  value: string;
}

/**
 * Renders a Service port. Clients in `clusterCidr` are not masqueraded. Without session affinity a
 * port is elements and shared chains; with it, it has chains of its own.
 */
export function renderPort(port: ServicePort, clusterCidr: string | undefined): Fragment {
  const fragment: Fragment = { chains: new Map(), sets: new Map(), elements: [] };
  const render = port.affinity_s === undefined ? renderRandomEndpoint : renderSessionAffinity;
  const chains = render(port, clusterCidr, fragment);
  addFrontends(port, chains, fragment);
  addFirewall(port, fragment);
  addHairpins(port, fragment);
  return fragment;
}
