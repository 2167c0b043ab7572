/**
 * Addresses and prefixes as Go's net/netip reads them: no leading zeros, every group bounded, and
 * the reason of a refusal in its words. Kubernetes refuses zones and IPv4-mapped addresses on top.
 */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import {
  bitsOf, formatIp, formatSubnet, type Ip, ipOf, subnetOf, type Subnet,
} from "@raft2kube/std/ip.ts";

/** An address with the length of its network, its host bits kept. */
export interface Prefix {
  readonly ip: Ip;
  readonly bits: number;
}

/** A text that is no address or prefix, and why. */
export interface Refusal {
  readonly complaint: string;
}

const MAPPED = 0xffffn;

export function isRefusal(parsed: object): parsed is Refusal {
  return "complaint" in parsed;
}

/** Why a text in dotted form is no IPv4 address; undefined when it is one. */
function ipv4Complaint(text: string): string | undefined {
  const fields = text.split(".");
  for (const [index, field] of fields.entries()) {
    const rest = fields.slice(index).join(".");
    const odd = /[^0-9]/.exec(field);
    const digits = odd === null ? field : field.slice(0, odd.index);
    if (/^0\d/.test(digits)) return "IPv4 field has octet with leading zero";
    if (Number(digits) > 255) return "IPv4 field has value >255";
    if (odd !== null) return `unexpected character (at ${goQuoted(rest.slice(odd.index))})`;
    if (index > 3) return "IPv4 address too long";
    if (field === "") {
      const after = fields.slice(index + 1).join(".");
      return `IPv4 field must have at least one digit (at ${goQuoted(`.${after}`)})`;
    }
  }
  return fields.length < 4 ? "IPv4 address too short" : undefined;
}

/** Why a text with colons, without a zone, is no IPv6 address. */
function ipv6Complaint(text: string): string {
  const groups = text.split(":");
  const at = (index: number): string => ` (at ${goQuoted(groups.slice(index).join(":"))})`;
  const start = text.startsWith("::") ? 2 : 0;
  for (let index = start; index < groups.length; index++) {
    const group = groups[index]!;
    if (group === "" && index > start && groups[index - 1] !== "") {
      if (index === groups.length - 1) return `colon must be followed by more characters (at ":")`;
      continue;
    }
    if (group === "" && index === groups.length - 1) continue;
    const digits = /^[0-9a-fA-F]*/.exec(group)![0];
    if (digits === "") return `each colon-separated field must have at least one digit${at(index)}`;
    if (digits.length > 4) return `each group must have 4 or less digits${at(index)}`;
    if (group[digits.length] === ".") {
      return ipv4Complaint(group) ??
        "embedded IPv4 address must replace the final 2 fields of the address" + at(index);
    }
    if (digits !== group) {
      const rest = groups.slice(index).join(":").slice(digits.length);
      return `unexpected character, want colon (at ${goQuoted(rest)})`;
    }
  }
  const after = text.split("::").slice(2);
  if (after.length > 0) return `multiple :: in address (at ${goQuoted(`:${after.join("::")}`)})`;
  return groups.length > 8 ? `trailing garbage after address${at(8)}` : "address string too short";
}

function complaintOf(text: string): string {
  const mark = /[.:%]/.exec(text)?.[0];
  if (mark === ".") return ipv4Complaint(text) ?? "unable to parse IP";
  if (mark === "%") return "missing IPv6 address";
  return mark === ":" ? ipv6Complaint(text) : "unable to parse IP";
}

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
function isMapped({ family, value }: Ip): boolean {
  return family === 6 && value >> 32n === MAPPED;
}

/** Reads an address. The complaint is the one that Kubernetes' `ip()` gives. */
export function parseAddress(text: string): Ip | Refusal {
  const [bare = "", ...zones] = text.split("%");
  const zone = zones.length === 0 ? undefined : zones.join("%");
  const ip = readAddress(bare);
  if (ip === undefined || zone === "" || (zone !== undefined && ip.family === 4)) {
    const reason = zone === "" && bare.includes(":")
      ? "zone must be a non-empty string" : complaintOf(ip === undefined ? bare || text : text);
    return {
      complaint: `IP Address ${goQuoted(text)} parse error during conversion from string: ` +
        `ParseAddr(${goQuoted(text)}): ${reason}`,
    };
  }
  if (zone !== undefined) {
    return { complaint: `IP address ${goQuoted(text)} with zone value is not allowed` };
  }
  if (isMapped(ip)) {
    return { complaint: `IPv4-mapped IPv6 address ${goQuoted(text)} is not allowed` };
  }
  return ip;
}

function prefixComplaint(text: string, slash: number): string {
  if (slash < 0) return "no '/'";
  const address = text.slice(0, slash);
  const [bare = ""] = address.split("%");
  const ip = readAddress(bare);
  if (ip === undefined) return `ParseAddr(${goQuoted(address)}): ${complaintOf(address)}`;
  if (bare !== address) return "IPv6 zones cannot be present in a prefix";
  const bits = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d*)$/.test(bits)) return `bad bits after slash: ${goQuoted(bits)}`;
  return "prefix length out of range";
}

/** Reads a prefix such as `192.168.0.0/16`, whose host bits may be set. */
export function parsePrefix(text: string): Prefix | Refusal {
  const slash = text.lastIndexOf("/");
  const ip = slash < 0 ? undefined : readAddress(text.slice(0, slash));
  const bits = /^(?:0|[1-9]\d*)$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : -1;
  if (ip === undefined || bits < 0 || bits > bitsOf(ip.family)) {
    const reason = `netip.ParsePrefix(${goQuoted(text)}): ${prefixComplaint(text, slash)}`;
    return { complaint: `network address parse error during conversion from string: ${reason}` };
  }
  if (isMapped(ip)) {
    return { complaint: `IPv4-mapped IPv6 address ${goQuoted(text)} is not allowed` };
  }
  return { ip, bits };
}

export function networkOf({ ip, bits }: Prefix): Subnet {
  const subnet = subnetOf(ip, bits);
  if (subnet === undefined) throw new RangeError(`${formatIp(ip)}/${bits}: no such prefix`);
  return subnet;
}

export function formatPrefix({ ip, bits }: Prefix): string {
  return formatSubnet({ family: ip.family, network: ip.value, prefix: bits });
}
