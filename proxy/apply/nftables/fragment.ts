import type { ServicePort } from "../../plan/model.ts";
import { claimFronts, claimHairpins } from "./fronts.ts";
import { renderPlain } from "./plain.ts";
import { renderSticky } from "./sticky.ts";

/** What one Service port wants to stand in the table; several ports may want the same. */
export interface Fragment {
  /** Chains by name, with their rules. */
  chains: Map<string, string[]>;
  /** Sets of clients by name, with their definition. */
  sets: Map<string, string>;
  elements: Element[];
}

/** An element of one of the table's sets and maps. */
export interface Element {
  set: string;
  key: string;
  /** A map's value; empty for a set. */
  value: string;
}

/**
 * Renders a Service port. `clusterCidr` is the range whose clients need no masquerade. Without
 * session affinity it is data for rules that are there already; with it, it needs rules of its own.
 */
export function renderPort(port: ServicePort, clusterCidr: string | undefined): Fragment {
  const fragment: Fragment = { chains: new Map(), sets: new Map(), elements: [] };
  const render = port.affinity_s === undefined ? renderPlain : renderSticky;
  const leads = render(port, clusterCidr, fragment);
  claimFronts(port, leads, fragment);
  claimHairpins(port, fragment);
  return fragment;
}
