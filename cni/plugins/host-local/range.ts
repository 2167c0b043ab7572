import { CniError } from "../../lib/errors.ts";
import { contains, formatIp, type Ip, lastOf, parseIp, parseSubnet } from "../../lib/ip.ts";

/** A range of the configuration. */
export interface RangeConfig {
  subnet: string;
  rangeStart?: string;
  rangeEnd?: string;
  gateway?: string;
}

/** Addresses from `start` to `end` inclusive; the gateway is never allocated. */
export interface Range {
  family: 4 | 6;
  prefix: number;
  start: bigint;
  end: bigint;
  gateway: bigint;
  /** The configured text, for messages. */
  text: string;
}

/**
 * Adds a range's defaults: the subnet without network and broadcast, the first address as gateway.
 */
export function toRange(config: RangeConfig): Range {
  const invalid = (why: string) => new CniError("invalid-config", `range ${config.subnet}: ${why}`);
  const subnet = parseSubnet(config.subnet, "subnet");
  const { family, network, prefix } = subnet;
  if (prefix > (family === 4 ? 30 : 126)) throw invalid("is too small to give addresses out of");
  const asWritten = parseIp(config.subnet.split("/")[0], "subnet").value;
  if (asWritten !== network) throw invalid("has bits set after its prefix");
  const within = (name: string, text: string | undefined, otherwise: bigint): bigint => {
    if (text === undefined || text === "") return otherwise;
    const ip = parseIp(text, name);
    if (!contains(subnet, ip)) throw invalid(`${name} ${text} is not in it`);
    return ip.value;
  };
  const first = network + 1n;
  const last = family === 4 ? lastOf(subnet) - 1n : lastOf(subnet);
  const start = within("rangeStart", config.rangeStart, first);
  const end = within("rangeEnd", config.rangeEnd, last);
  // A gateway may be outside: a router in another subnet of the same link.
  const gateway = config.gateway ? parseIp(config.gateway, "gateway").value : first;
  if (start > end) throw invalid(`ends (${config.rangeEnd}) before it starts`);
  return { family, prefix, start, end, gateway, text: config.subnet };
}

/** An address and its range. */
export type Choice = { ip: Ip; range: Range };

/**
 * Returns the next free address of a set after `last`, wrapping around, so that a released address
 * is reused as late as possible. Undefined if all are allocated.
 */
export function nextFree(
  set: readonly Range[],
  last: Ip | undefined,
  taken: ReadonlySet<string>,
): Choice | undefined {
  // lab:12 begin next-free
  const at = set.findIndex((range) => last !== undefined && holds(range, last));
  const start = Math.max(at, 0);
  // The range of `last` is searched twice: first after `last`, at the end from its beginning.
  for (let step = 0; step <= set.length; step++) {
    const range = set[(start + step) % set.length];
    if (!range) return undefined;
    const from = step === 0 && at >= 0 && last ? last.value + 1n : range.start;
    for (let value = from; value <= range.end; value++) {
      const ip: Ip = { family: range.family, value };
      if (value !== range.gateway && !taken.has(formatIp(ip))) return { ip, range };
    }
  }
  return undefined;
  // lab:12 end
}

/** Returns the range of a set that contains an address. */
export function rangeOf(set: readonly Range[], ip: Ip): Range | undefined {
  return set.find((range) => holds(range, ip));
}

function holds(range: Range, { family, value }: Ip): boolean {
  return family === range.family && value >= range.start && value <= range.end;
}
