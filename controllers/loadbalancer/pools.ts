import { contains, formatIp, type Ip, ipOf, lastOf, subnetOf } from "@raft2kube/std/ip.ts";
import { POOL_ADDRESSES_MAX, POOLS_MAX } from "../limits.ts";

/** The ConfigMap in kube-system that has the pools. */
export const POOLS_MAP = "load-balancer-pools";
/** The pool of Services that ask for none. */
export const DEFAULT_POOL = "default";
const NAMESPACES = ".namespaces";

/** Addresses of IPv4, as numbers, the last one included. */
interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** Addresses for Services of the type LoadBalancer. */
export interface Pool {
  readonly name: string;
  readonly ranges: readonly Range[];
  /** The namespaces that may use it; undefined: all. */
  readonly namespaces: ReadonlySet<string> | undefined;
}

/**
 * Reads the pools of a ConfigMap's data: a key is a pool's name, and its value ranges and subnets,
 * `192.0.2.10-192.0.2.20, 192.0.2.64/27`, of which the first and the last address are left out;
 * `NAME.namespaces` lists the namespaces that alone may use the pool. Returns the problems too,
 * each naming its key: pools that overlap are one.
 */
export function readPools(
  data: Readonly<Record<string, string>>,
): { pools: Pool[]; problems: string[] } {
  const problems: string[] = [];
  const pools: Pool[] = [];
  for (const name of Object.keys(data).sort()) {
    if (name.endsWith(NAMESPACES)) {
      if (!(name.slice(0, -NAMESPACES.length) in data)) problems.push(`${name}: no such pool`);
      continue;
    }
    const ranges = wordsOf(data[name]).flatMap((text) => {
      const range = rangeOf(text);
      if (!range) problems.push(`${name}: ${text.slice(0, 64)} is not a range of IPv4 addresses`);
      return range ?? [];
    });
    if (sizeOf(ranges) > POOL_ADDRESSES_MAX) {
      problems.push(`${name}: more than ${POOL_ADDRESSES_MAX} addresses`);
    }
    const namespaces = data[name + NAMESPACES];
    const only = namespaces === undefined ? undefined : new Set(wordsOf(namespaces));
    pools.push({ name, ranges, namespaces: only });
  }
  if (pools.length > POOLS_MAX) problems.push(`there are more than ${POOLS_MAX} pools`);
  return { pools, problems: [...problems, ...overlaps(pools)] };
}

/** Returns the addresses of a pool, in the order in which they are given out. */
export function* addressesOf({ ranges }: Pool): Generator<string> {
  for (const { first, last } of ranges) {
    for (let value = first; value <= last; value++) yield formatIp({ family: 4, value });
  }
}

/** Returns the pool that has an address. */
export function poolOf(pools: readonly Pool[], address: string): Pool | undefined {
  const ip = ipOf(address);
  if (ip?.family !== 4) return undefined;
  const has = ({ first, last }: Range) => first <= ip.value && ip.value <= last;
  return pools.find(({ ranges }) => ranges.some(has));
}

const wordsOf = (text = "") => text.split(/[\s,]+/).filter((word) => word !== "");

const sizeOf = (ranges: readonly Range[]) =>
  ranges.reduce((sum, { first, last }) => sum + Number(last - first) + 1, 0);

function rangeOf(text: string): Range | undefined {
  const [from = "", to, ...more] = text.split("-");
  if (more.length > 0) return undefined;
  if (to === undefined && from.includes("/")) return subnetRange(from);
  const [first, last] = [ipv4(from), ipv4(to ?? from)];
  return first && last && first.value <= last.value
    ? { first: first.value, last: last.value } : undefined;
}

/** A subnet without its network and its broadcast address, if it has such (RFC 3021). */
function subnetRange(text: string): Range | undefined {
  const [address = "", bits = ""] = text.split("/");
  const ip = ipv4(address);
  const subnet = ip && /^\d{1,2}$/.test(bits) ? subnetOf(ip, Number(bits)) : undefined;
  if (!ip || !subnet || !contains(subnet, ip)) return undefined;
  const edge = subnet.prefix < 31 ? 1n : 0n;
  return { first: subnet.network + edge, last: lastOf(subnet) - edge };
}

function ipv4(text: string): Ip | undefined {
  const ip = /^\d+(\.\d+){3}$/.test(text) ? ipOf(text) : undefined;
  return ip?.family === 4 ? ip : undefined;
}

function overlaps(pools: readonly Pool[]): string[] {
  const all = pools.flatMap(({ name, ranges }) => ranges.map((range) => ({ name, ...range })));
  all.sort((a, b) => (a.first < b.first ? -1 : 1));
  return all.flatMap((range, i) => {
    const next = all[i + 1];
    return next && next.first <= range.last
      ? [`${range.name} and ${next.name} overlap at ${formatIp({ family: 4, value: next.first })}`]
      : [];
  });
}
