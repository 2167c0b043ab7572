import type { Fragment } from "@raft2kube/linux/netfilter/nft-table/fragment.ts";
import type { ServicePort } from "../../plan/model.ts";
import { addFirewall, addFrontends, addHairpins } from "./frontends.ts";
import { renderRandomEndpoint } from "./random-endpoint.ts";
import { renderSessionAffinity } from "./session-affinity.ts";

/**
 * Renders a Service port. Clients in `clusterCidr` are not masqueraded. Without session affinity a
 * port is elements and shared chains; with it, it has chains of its own, and sets of `clients`.
 * Without any of these it has no affinity.
 */
export function renderPort(
  port: ServicePort,
  clusterCidr: string | undefined,
  clients?: number,
): Fragment {
  const fragment: Fragment = { chains: new Map(), sets: new Map(), elements: [] };
  const isSticky = port.affinity_s !== undefined && clients !== 0;
  const render = isSticky ? renderSessionAffinity : renderRandomEndpoint;
  const chains = render(port, clusterCidr, fragment, clients);
  addFrontends(port, chains, fragment);
  addFirewall(port, fragment);
  addHairpins(port, fragment);
  return fragment;
}
