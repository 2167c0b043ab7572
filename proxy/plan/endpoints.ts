import ipaddr from "ipaddr.js";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Target } from "./model.ts";

/** The endpoints of one Service port on a node's eyes. */
export interface PortEndpoints {
  everywhere: Target[];
  here: Target[];
  problems: string[];
}

interface Candidate extends Target {
  ready: boolean;
  /** Terminating, but still answering. */
  draining: boolean;
  here: boolean;
}

/** Ranges nobody may be sent to by an EndpointSlice: a user could reach the node's own services. */
const REFUSED_RANGES = ["loopback", "linkLocal", "multicast", "broadcast", "unspecified"];

/**
 * Collects a port's endpoints from all slices of its Service. Endpoints that are ready count; where
 * there is none, those that terminate and still serve (KEP-1669). Loopback and link-local addresses
 * are refused (CVE-2021-25737).
 */
export function endpointsOf(
  slices: readonly EndpointSlice[],
  port: { name: string; protocol: string },
  nodeName: string,
): PortEndpoints {
  const candidates = new Map<string, Candidate>();
  const problems: string[] = [];
  for (const slice of slices) {
    if (slice.addressType !== "IPv4") continue;
    const number = portOf(slice, port);
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const [address] = endpoint.addresses; // more than one means the same endpoint (API reference)
      if (address === undefined) continue;
      const refusal = refusalOf(address);
      if (refusal) problems.push(`endpoint ${address} of slice ${slice.metadata.name}: ${refusal}`);
      else gather(candidates, endpoint, { address, port: number }, nodeName);
    }
  }
  const all = [...candidates.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { everywhere: usable(all), here: usable(all.filter(({ here }) => here)), problems };
}

function portOf(
  slice: EndpointSlice,
  port: { name: string; protocol: string },
): number | undefined {
  const found = (slice.ports ?? []).find(
    ({ name = "", protocol = "TCP" }) => name === port.name && protocol === port.protocol,
  );
  return found?.port;
}

function gather(
  candidates: Map<string, Candidate>,
  endpoint: Endpoint,
  target: Target,
  nodeName: string,
): void {
  const { conditions = {} } = endpoint;
  const ready = conditions.ready ?? true;
  const serving = conditions.serving ?? ready;
  const draining = (conditions.terminating ?? false) && serving;
  const key = keyOf(target);
  const known = candidates.get(key);
  // While slices are rewritten an endpoint may stand in two: the better word counts.
  candidates.set(key, {
    ...target,
    ready: ready || (known?.ready ?? false),
    draining: draining || (known?.draining ?? false),
    here: endpoint.nodeName === nodeName || (known?.here ?? false),
  });
}

function usable(candidates: Candidate[]): Target[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  const chosen = ready.length > 0 ? ready : candidates.filter(({ draining }) => draining);
  return chosen.map(({ address, port }) => ({ address, port }));
}

const keyOf = ({ address, port }: Target) => `${address}:${port}`;

function refusalOf(address: string): string | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) return "it is not an IPv4 address";
  const range = ipaddr.IPv4.parse(address).range();
  return REFUSED_RANGES.includes(range) ? `its address is ${range}` : undefined;
}
