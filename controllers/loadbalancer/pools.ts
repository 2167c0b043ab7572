import { isIPv4 } from "node:net";
import { addressOf, numberOf, parseCidr } from "@raft2kube/api/cidr.ts";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { NODE_ADDRESSES_SPARED_MAX, POOL_ADDRESSES_MAX, POOLS_MAX } from "../limits.ts";

/** The ConfigMap in kube-system that has the pools. */
export const POOLS_MAP = "load-balancer-pools";
/** The pool of Services that ask for none. */
export const DEFAULT_POOL = "default";

/** Addresses of IPv4, as numbers, the last one included. */
type Range = { readonly first: bigint; readonly last: bigint };

/** Addresses for Services of the type LoadBalancer. */
export type Pool = { readonly name: string; readonly ranges: readonly Range[] };

/**
 * Reads the pools of a ConfigMap's data: a key is a pool's name, and its value ranges and subnets,
 * `192.0.2.10-192.0.2.20, 192.0.2.64/27`, of which the first and the last address are left out.
 * Returns the problems too, each naming its key: pools that overlap are one.
 */
export function readPools(data: Readonly<Record<string, string>>): {
  pools: Pool[];
  problems: string[];
} {
  const problems: string[] = [];
  const pools: Pool[] = [];
  for (const name of Object.keys(data).sort()) {
    const words = (data[name] ?? "").split(/[\s,]+/).filter((word) => word !== "");
    const ranges = words.flatMap((text) => {
      const range = rangeOf(text);
      if (!range) problems.push(`${name}: ${text.slice(0, 64)} is not a range of IPv4 addresses`);
      return range ?? [];
    });
    const size = ranges.reduce((sum, { first, last }) => sum + Number(last - first) + 1, 0);
    if (size > POOL_ADDRESSES_MAX) {
      problems.push(`${name}: more than ${POOL_ADDRESSES_MAX} addresses`);
    }
    pools.push({ name, ranges });
  }
  if (pools.length > POOLS_MAX) problems.push(`there are more than ${POOLS_MAX} pools`);
  return { pools, problems: [...problems, ...overlaps(pools)] };
}

/** Returns the addresses of a pool, in the order in which they are given out. */
export function* addressesOf({ ranges }: Pool): Generator<string> {
  for (const { first, last } of ranges) {
    for (let value = first; value <= last; value++) yield addressOf(value, "IPv4");
  }
}

/** Returns the pool that has an address. */
export function poolOf(pools: readonly Pool[], address: string): Pool | undefined {
  if (!isIPv4(address)) return undefined;
  const value = numberOf(address);
  const has = ({ first, last }: Range) => first <= value && value <= last;
  return pools.find(({ ranges }) => ranges.some(has));
}

function rangeOf(text: string): Range | undefined {
  if (text.includes("/")) {
    const subnet = parseCidr(text);
    if (subnet?.family !== "IPv4") return undefined;
    // Without its network and its broadcast address, if it has such (RFC 3021).
    const edge = subnet.bits < 31 ? 1n : 0n;
    return { first: subnet.first + edge, last: subnet.last - edge };
  }
  const [from = "", to = from, ...more] = text.split("-");
  if (more.length > 0 || !isIPv4(from) || !isIPv4(to)) return undefined;
  const range = { first: numberOf(from), last: numberOf(to) };
  return range.first <= range.last ? range : undefined;
}

function overlaps(pools: readonly Pool[]): string[] {
  const all = pools.flatMap(({ name, ranges }) => ranges.map((range) => ({ name, ...range })));
  all.sort((a, b) => (a.first < b.first ? -1 : 1));
  return all.flatMap((range, i) => {
    const next = all[i + 1];
    return next && next.first <= range.last
      ? [`${range.name} and ${next.name} overlap at ${addressOf(next.first, "IPv4")}`]
      : [];
  });
}

/** The addresses of nodes, of each the first: one that reports a whole pool takes no more of it. */
export function reportedBy(nodes: readonly Node[]): Set<string> {
  const first = ({ status }: Node) => (status?.addresses ?? []).slice(0, NODE_ADDRESSES_SPARED_MAX);
  return new Set(nodes.flatMap(first).map(({ address }) => address));
}
