import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { milliValueOf } from "@raft2kube/std/quantity.ts";
import { isControlPlane, isNodeReady } from "../node-state.ts";

/** How many more clients than its share an endpoint may be exposed to (upstream's 20 %). */
const OVERLOAD = 0.2;
/** Least part of an endpoint that a zone gives away, or that another lacks. */
const PART_MIN = 0.5;

const ZONE = "topology.kubernetes.io/zone";

/** Each zone's share of the CPU of all ready nodes; undefined when it is unknown. */
export type ZoneShares = ReadonlyMap<string, number> | undefined;

/** The slices of one Service and family: those to write, and those that stay as they are. */
export interface Slices {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly unchanged: readonly EndpointSlice[];
}

/** Slices to be written, with hints, or without any for the reason `refusal`. */
export interface HintedSlices {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly refusal?: string;
}

/**
 * The shares of zones; undefined for fewer than two zones, and when a ready node lacks its zone or
 * its CPU (upstream's SetNodes).
 */
export function zoneShares(nodes: readonly Node[]): ZoneShares {
  const cpu = new Map<string, number>();
  for (const node of nodes) {
    const { labels = {} } = node.metadata;
    // The control plane's nodes run no workloads.
    if (isControlPlane(node) || !isNodeReady(node)) continue;
    const zone = labels[ZONE] ?? "";
    const millis = milliCpu(node);
    if (zone === "" || millis === 0) return undefined;
    cpu.set(zone, (cpu.get(zone) ?? 0) + millis);
  }
  if (cpu.size < 2) return undefined;
  const total = [...cpu.values()].reduce((sum, each) => sum + each, 0);
  return new Map([...cpu].map(([zone, millis]) => [zone, millis / total]));
}

/** Whether a change of a node may change the shares. */
export const isMoved = (node: Node, before: Node): boolean =>
  isNodeReady(node) !== isNodeReady(before) ||
  milliCpu(node) !== milliCpu(before) ||
  node.metadata.labels?.[ZONE] !== before.metadata.labels?.[ZONE];

function milliCpu({ status }: Node): number {
  const text = status?.allocatable?.["cpu"];
  return text === undefined ? 0 : milliValueOf(text);
}

/**
 * Hints each ready endpoint for a zone, so that each zone has endpoints by its share, its own
 * first. Slices that stay as they are keep their hints while no zone has too many by them. Without
 * enough endpoints or knowledge of nodes no endpoint has hints (upstream's topologycache).
 */
export function hintSlices(given: Slices, shares: ZoneShares): HintedSlices {
  const all = [...given.create, ...given.update, ...given.unchanged].flatMap(endpointsOf);
  const allocations = allocate(all.filter(isEndpointReady).length, shares);
  if (typeof allocations === "string") return withoutHints(given, allocations);
  const hinted = new Map<string, number>();
  const misfits = given.unchanged.filter((slice) => !fits(slice, hinted, allocations));
  const create = given.create.map(copied);
  const update = [...given.update, ...misfits].map(copied);
  const open = [...create, ...update].flatMap(endpointsOf).filter(isEndpointReady);
  for (const endpoint of open) {
    const { zone = "" } = endpoint;
    if (zone === "") {
      return withoutHints(given, "One or more endpoints do not have a zone specified");
    }
    endpoint.hints = { forZones: [{ name: zone }] };
    add(hinted, zone, 1);
  }
  redistribute(open, exchange(allocations, hinted));
  return { create, update };
}

type Allocation = { maximum: number; desired: number };

/** How many endpoints each zone is to have, or why hints are impossible. */
function allocate(count: number, shares: ZoneShares): Map<string, Allocation> | string {
  if (shares === undefined) {
    return (
      "Insufficient Node information: " +
      "allocatable CPU or zone not specified on one or more nodes"
    );
  }
  const numbers = `(${count} endpoints, ${shares.size} zones)`;
  if (shares.size > count) return `Insufficient number of endpoints ${numbers}`;
  const minima = new Map(
    [...shares].map(([zone, share]) => [zone, Math.ceil(share * count * (1 / (1 + OVERLOAD)))]),
  );
  const least = [...minima.values()].reduce((sum, each) => sum + each, 0);
  if (least > count) {
    return (
      "Unable to allocate minimum required endpoints to each zone " +
      `without exceeding overload threshold ${numbers}`
    );
  }
  return new Map(
    [...shares].map(([zone, share]) => {
      const minimum = minima.get(zone)!;
      const maximum = minimum + count - least;
      return [zone, { maximum, desired: Math.max(share * count, minimum) }];
    }),
  );
}

/** Whether a slice's hints may stay; if so they are counted. */
function fits(
  slice: EndpointSlice,
  hinted: Map<string, number>,
  allocations: ReadonlyMap<string, Allocation>,
): boolean {
  const own = new Map<string, number>();
  for (const { hints } of endpointsOf(slice).filter(isEndpointReady)) {
    const zones = hints?.forZones ?? [];
    if (zones.length === 0) return false;
    for (const { name } of zones) add(own, name, 1);
  }
  for (const [zone, count] of own) {
    const { maximum = 0 } = allocations.get(zone) ?? {};
    if (count + (hinted.get(zone) ?? 0) > maximum) return false;
  }
  for (const [zone, count] of own) add(hinted, zone, count);
  return true;
}

/** How many endpoints zones with too many give, and how many those with too few receive. */
type Exchange = { readonly gives: Map<string, number>; readonly receives: Map<string, number> };

/** Whole endpoints move from the zone with the most to spare to the one that lacks the most. */
function exchange(
  allocations: ReadonlyMap<string, Allocation>,
  hinted: ReadonlyMap<string, number>,
): Exchange {
  const spare = new Map<string, number>();
  const lacking = new Map<string, number>();
  for (const [zone, { desired }] of allocations) {
    const over = (hinted.get(zone) ?? 0) - desired;
    if (over > 0) spare.set(zone, over);
    else if (over < 0) lacking.set(zone, -over);
  }
  const moves: Exchange = { gives: new Map(), receives: new Map() };
  for (;;) {
    const from = most(spare);
    const to = most(lacking);
    if (from === undefined || to === undefined) return moves;
    const [give, receive] = [spare.get(from)!, lacking.get(to)!];
    if ((give < 1 && receive < 1) || give < PART_MIN || receive < PART_MIN) return moves;
    add(moves.gives, from, 1);
    add(moves.receives, to, 1);
    add(spare, from, -1);
    add(lacking, to, -1);
  }
}

function most(zones: ReadonlyMap<string, number>): string | undefined {
  let found: string | undefined;
  for (const [zone, count] of zones) {
    if (count > (found === undefined ? 0 : zones.get(found)!)) found = zone;
  }
  return found;
}

function redistribute(open: readonly Endpoint[], { gives, receives }: Exchange): void {
  for (const endpoint of open) {
    const { zone = "" } = endpoint;
    if ((gives.get(zone) ?? 0) === 0) continue;
    const [to] = [...receives].find(([, count]) => count > 0) ?? [];
    if (to === undefined) return;
    endpoint.hints = { forZones: [{ name: to }] };
    add(gives, zone, -1);
    add(receives, to, -1);
  }
}

/** The same slices without hints: those that have some are written too. */
function withoutHints(given: Slices, refusal: string): HintedSlices {
  const hinted = given.unchanged.filter((slice) =>
    endpointsOf(slice).some(({ hints }) => hints !== undefined),
  );
  const update = [...given.update, ...hinted].map(copied);
  return { create: given.create.map(copied), update, refusal };
}

/** A copy whose endpoints have no hints. */
function copied(slice: EndpointSlice): EndpointSlice {
  const endpoints = endpointsOf(slice).map(({ hints: _hints, ...endpoint }) => endpoint);
  return { ...slice, endpoints };
}

const endpointsOf = ({ endpoints }: EndpointSlice): Endpoint[] => endpoints ?? [];

const isEndpointReady = ({ conditions }: Endpoint): boolean => conditions?.ready === true;

function add(counts: Map<string, number>, zone: string, by: number): void {
  counts.set(zone, (counts.get(zone) ?? 0) + by);
}
