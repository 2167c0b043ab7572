import { isIPv4 } from "node:net";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { keyOf, type ServicePort, type Target } from "./model.ts";

/** The usable endpoints of one Service port. */
export interface PortEndpoints {
  allEndpoints: Target[];
  localEndpoints: Target[];
  unplacedEndpoints: Target[];
  keptEndpoints: Target[];
  problems: string[];
}

interface Candidate extends Target, Hints {
  ready: boolean;
  serving: boolean;
  servingTerminating: boolean;
  local: boolean;
  /** Whether a slice names its node. */
  placed: boolean;
}

/** The zones and nodes of an endpoint's clients, by the hints of its slice. */
type Hints = { forZones: string[]; forNodes: string[] };

/** Where the clients of this proxy are. */
export interface ClientPlace {
  nodeName: string;
  /** The node's zone; empty if it has none. */
  zone: string;
}

/** Ranges that an EndpointSlice must not name: they would expose the node's own services. */
const REJECTED_RANGES: readonly (readonly [range: string, addresses: RegExp])[] = [
  ["loopback", /^127\./],
  ["linkLocal", /^169\.254\./],
  ["multicast", /^2(2[4-9]|3\d)\./],
  ["broadcast", /^255\.255\.255\.255$/],
  ["unspecified", /^0\./],
];

/**
 * Returns a port's endpoints from all slices of its Service: the ready ones, those hinted for this
 * node or zone if all have hints and any has this one, or without a ready one those that are
 * terminating and serving (KEP-1669). Local ones are not chosen by hints. Loopback and link-local
 * addresses are rejected (CVE-2021-25737). Others that serve are kept for their flows. `numbers`:
 * the slices' ports.
 */
export function endpointsOf(
  slices: readonly EndpointSlice[],
  port: { name: string; protocol: string },
  place: ClientPlace,
  numbers = slices.map(portNumbers),
): PortEndpoints {
  const candidates = new Map<string, Candidate>();
  const problems: string[] = [];
  for (const [at, slice] of slices.entries()) {
    if (slice.addressType !== "IPv4") continue;
    const number = numbers[at]!.get(`${port.name}/${port.protocol}`);
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const [address] = endpoint.addresses; // more than one means the same endpoint (API reference)
      if (address === undefined) continue;
      const problem = problemOf(address);
      if (problem) problems.push(`endpoint ${address} of slice ${slice.metadata.name}: ${problem}`);
      else addCandidate(candidates, endpoint, { address, port: number }, place.nodeName);
    }
  }
  const all = [...candidates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  const localEndpoints = usable(all.filter(({ local }) => local));
  const allEndpoints = usable(all, place);
  const unplaced = new Set(all.filter(({ placed }) => !placed).map(keyOf));
  const unplacedEndpoints =
    unplaced.size === 0 ? [] : allEndpoints.filter((target) => unplaced.has(keyOf(target)));
  const used = new Set(all.length > allEndpoints.length ? allEndpoints.map(keyOf) : []);
  const keptEndpoints =
    used.size === 0 ? [] : targetsOf(all.filter((one) => one.serving && !used.has(keyOf(one))));
  return { allEndpoints, localEndpoints, unplacedEndpoints, keptEndpoints, problems };
}

/**
 * The endpoints that this node sends traffic to: those of all nodes, and the local ones, of which
 * hints may have left some out of the former.
 */
export function reachableEndpoints({
  allEndpoints,
  localEndpoints,
}: Pick<ServicePort, "allEndpoints" | "localEndpoints">): Target[] {
  const all = [...allEndpoints, ...localEndpoints];
  return [...new Map(all.map((target) => [keyOf(target), target])).values()];
}

/** Returns the numbers of a slice's ports, by name and protocol: it may have 20,000. */
export function portNumbers({ ports = [] }: EndpointSlice): Map<string, number | undefined> {
  return new Map(
    ports.map(({ name = "", protocol = "TCP", port }) => [`${name}/${protocol}`, port]),
  );
}

function addCandidate(
  candidates: Map<string, Candidate>,
  endpoint: Endpoint,
  target: Target,
  nodeName: string,
): void {
  const { conditions = {} } = endpoint;
  const ready = conditions.ready ?? true;
  const serving = conditions.serving ?? ready;
  const servingTerminating = (conditions.terminating ?? false) && serving;
  const key = keyOf(target);
  const known = candidates.get(key);
  const { forZones = [], forNodes = [] } = endpoint.hints ?? {};
  // While the slices are updated two of them may list the endpoint: the ready one wins.
  candidates.set(key, {
    ...target,
    ready: ready || (known?.ready ?? false),
    serving: serving || (known?.serving ?? false),
    servingTerminating: servingTerminating || (known?.servingTerminating ?? false),
    local: endpoint.nodeName === nodeName || (known?.local ?? false),
    placed: Boolean(endpoint.nodeName) || (known?.placed ?? false),
    forZones: [...forZones.map(({ name }) => name), ...(known?.forZones ?? [])],
    forNodes: [...forNodes.map(({ name }) => name), ...(known?.forNodes ?? [])],
  });
}

/**
 * Returns the targets of new connections: the ready candidates, of which those hinted for `place`
 * are preferred; without any ready one, those that terminate but still serve.
 */
function usable(candidates: Candidate[], place?: ClientPlace): Target[] {
  // lab:14a begin usable
  const all = candidates.filter((candidate) => candidate.ready);
  const ready = place === undefined ? all : hintedFor(all, place);
  const serving = candidates.filter((candidate) => candidate.servingTerminating);
  const chosen = ready.length > 0 ? ready : serving;
  return targetsOf(chosen);
  // lab:14a end
}

const targetsOf = (candidates: readonly Candidate[]): Target[] =>
  candidates.map(({ address, port }) => ({ address, port }));

/** The ready endpoints to use from a place (upstream's topologyModeFromHints). */
function hintedFor(ready: Candidate[], { nodeName, zone }: ClientPlace): Candidate[] {
  // lab:14a begin hinted
  for (const [hint, name] of [
    ["forNodes", nodeName],
    ["forZones", zone],
  ] as const) {
    const hinted = ready.filter((candidate) => candidate[hint].includes(name));
    if (hinted.length > 0 && ready.every((candidate) => candidate[hint].length > 0)) return hinted;
  }
  return ready;
  // lab:14a end
}

/** Why an address cannot be another machine's; undefined if it can. */
export function problemOf(address: string): string | undefined {
  if (!isIPv4(address)) return "it is not an IPv4 address";
  const [range] = REJECTED_RANGES.find(([, addresses]) => addresses.test(address)) ?? [];
  return range === undefined ? undefined : `its address is ${range}`;
}
