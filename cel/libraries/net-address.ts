/**
 * Addresses and prefixes as Go's net/netip reads them: no leading zeros, every group bounded.
 * Kubernetes refuses zones and IPv4-mapped addresses on top.
 */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import {
  bitsOf,
  formatIp,
  formatSubnet,
  type Ip,
  ipOf,
  type Subnet,
  subnetOf,
} from "@raft2kube/std/ip.ts";

/** An address with the length of its network, its host bits kept. */
export type Prefix = { readonly ip: Ip; readonly bits: number };

/** A text that is no address or prefix, and why. */
export type Refusal = { readonly complaint: string };

const MAPPED = 0xffffn;

export const isRefusal = (parsed: object): parsed is Refusal => "complaint" in parsed;

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/;
const IPV6_WITH_IPV4 = /^([0-9a-fA-F:]*:)([0-9]+\.[0-9.]+)$/;

/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`. */
const ADDRESS_LENGTH_MAX = 45;

/** Reads an address without a zone as netip.ParseAddr does. */
function readAddress(text: string): Ip | undefined {
  if (text.length > ADDRESS_LENGTH_MAX) return undefined;
  if (IPV4.test(text)) return ipOf(text);
  const [, groups, dotted] = IPV6_WITH_IPV4.exec(text) ?? [];
  if (dotted === undefined) return IPV6.test(text) ? ipOf(text) : undefined;
  if (!IPV4.test(dotted)) return undefined;
  const value = ipOf(dotted)!.value;
  return ipOf(`${groups}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`);
}

/** Whether an address is an IPv4 address within `::ffff:0:0/96`. */
const isMapped = ({ family, value }: Ip): boolean => family === 6 && value >> 32n === MAPPED;

const mapped = (text: string): Refusal => ({
  complaint: `IPv4-mapped IPv6 address ${goQuoted(text)} is not allowed`,
});

/** Reads an address, as Kubernetes' `ip()`. */
export function parseAddress(text: string): Ip | Refusal {
  const [bare = "", ...zones] = text.split("%");
  const zone = zones.length === 0 ? undefined : zones.join("%");
  const ip = readAddress(bare);
  if (ip === undefined || zone === "" || (zone !== undefined && ip.family === 4)) {
    return {
      complaint:
        `IP Address ${goQuoted(text)} parse error during conversion from string: ` +
        `ParseAddr(${goQuoted(text)}): unable to parse IP`,
    };
  }
  if (zone !== undefined) {
    return { complaint: `IP address ${goQuoted(text)} with zone value is not allowed` };
  }
  return isMapped(ip) ? mapped(text) : ip;
}

/** Reads a prefix such as `192.168.0.0/16`, whose host bits may be set. */
export function parsePrefix(text: string): Prefix | Refusal {
  const slash = text.lastIndexOf("/");
  const ip = slash < 0 ? undefined : readAddress(text.slice(0, slash));
  const bits = /^(?:0|[1-9]\d*)$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : -1;
  if (ip === undefined || bits < 0 || bits > bitsOf(ip.family)) {
    const reason = `netip.ParsePrefix(${goQuoted(text)}): unable to parse prefix`;
    return { complaint: `network address parse error during conversion from string: ${reason}` };
  }
  return isMapped(ip) ? mapped(text) : { ip, bits };
}

export function networkOf({ ip, bits }: Prefix): Subnet {
  const subnet = subnetOf(ip, bits);
  if (subnet === undefined) throw new RangeError(`${formatIp(ip)}/${bits}: no such prefix`);
  return subnet;
}

export function formatPrefix({ ip, bits }: Prefix): string {
  return formatSubnet({ family: ip.family, network: ip.value, prefix: bits });
}
