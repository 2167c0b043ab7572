/** Addresses and prefixes: `ip("::1").family()`, `cidr("10.0.0.0/8").containsIP("10.1.2.3")`. */
import { bitsOf, contains, formatIp, type Ip } from "@raft2kube/std/ip.ts";
import { NO_OVERLOAD } from "../failures.ts";
import type { Library } from "../library.ts";
import { BOOL, INT, opaqueType, STRING } from "../types.ts";
import { ErrorValue, OpaqueValue, type Outcome, type Value } from "../value.ts";
import { call, functions, method } from "./declare.ts";
import {
  formatPrefix,
  isRefusal,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from "./net-address.ts";

export const IP = opaqueType("net.IP");
export const CIDR = opaqueType("net.CIDR");

class IpValue extends OpaqueValue {
  readonly type = IP;
  readonly ip: Ip;
  /** Bytes of the address, which costs count. */
  override readonly costSize: number;

  constructor(ip: Ip) {
    super();
    this.ip = ip;
    this.costSize = bitsOf(ip.family) / 8;
  }

  override equals(other: Value): boolean {
    return (
      other instanceof IpValue &&
      other.ip.family === this.ip.family &&
      other.ip.value === this.ip.value
    );
  }
}

class CidrValue extends OpaqueValue {
  readonly type = CIDR;
  readonly prefix: Prefix;
  override readonly costSize: number;

  constructor(prefix: Prefix) {
    super();
    this.prefix = prefix;
    this.costSize = Math.ceil(prefix.bits / 8);
  }

  override equals(other: Value): boolean {
    return other instanceof CidrValue && formatPrefix(other.prefix) === formatPrefix(this.prefix);
  }
}

function ipOfText(text: string): IpValue | ErrorValue {
  const ip = parseAddress(text);
  return isRefusal(ip) ? new ErrorValue(ip.complaint) : new IpValue(ip);
}

function cidrOfText(text: string): CidrValue | ErrorValue {
  const prefix = parsePrefix(text);
  if (!isRefusal(prefix)) return new CidrValue(prefix);
  return new ErrorValue(
    `network address parse error during conversion from string: ${prefix.complaint}`,
  );
}

function isCanonical(text: string): Outcome {
  const ip = parseAddress(text);
  return isRefusal(ip) ? new ErrorValue(ip.complaint) : formatIp(ip) === text;
}

/** The special ranges that Go's net/netip knows, each by family: value and prefix length. */
const RANGES = {
  unspecified: { 4: [0n, 32], 6: [0n, 128] },
  loopback: { 4: [0x7f00_0000n, 8], 6: [1n, 128] },
  multicast: { 4: [0xe000_0000n, 4], 6: [0xff00n << 112n, 8] },
  linkLocalUnicast: { 4: [0xa9fe_0000n, 16], 6: [0xfe80n << 112n, 10] },
  broadcast: { 4: [0xffff_ffffn, 32], 6: [0n, 128] },
} as const;

function isIn(range: keyof typeof RANGES, { family, value }: Ip): boolean {
  const [network, bits] = RANGES[range][family];
  const host = BigInt(bitsOf(family) - bits);
  return value >> host === network >> host;
}

/** IPv4's 224.0.0.0/24; in IPv6 multicast of any flags whose scope is link-local. */
function isLinkLocalMulticast({ family, value }: Ip): boolean {
  if (family === 4) return value >> 8n === 0xe0_0000n;
  return ((value >> 112n) & 0xff0fn) === 0xff02n;
}

const isGlobalUnicast = (ip: Ip): boolean =>
  !isIn("unspecified", ip) &&
  !isIn("broadcast", ip) &&
  !isIn("loopback", ip) &&
  !isIn("multicast", ip) &&
  !isIn("linkLocalUnicast", ip);

function containsIp({ prefix }: CidrValue, { ip }: IpValue): boolean {
  return contains(networkOf(prefix), ip);
}

function containsCidr({ prefix }: CidrValue, { prefix: inner }: CidrValue): boolean {
  return contains(networkOf(prefix), inner.ip) && prefix.bits <= inner.bits;
}

/** Upstream loses the reason of a text that is no address, while it keeps that of a prefix. */
function containsIpText(cidr: CidrValue, text: string): Outcome {
  const ip = ipOfText(text);
  return ip instanceof ErrorValue ? NO_OVERLOAD : containsIp(cidr, ip);
}

function containsCidrText(cidr: CidrValue, text: string): Outcome {
  const inner = cidrOfText(text);
  return inner instanceof ErrorValue ? inner : containsCidr(cidr, inner);
}

function masked({ prefix }: CidrValue): CidrValue {
  const { family, network } = networkOf(prefix);
  return new CidrValue({ ip: { family, value: network }, bits: prefix.bits });
}

function test(id: string, holds: (ip: Ip) => boolean): ReturnType<typeof method> {
  return method(id, [IP], BOOL, ({ ip }: IpValue) => holds(ip));
}

export const ipLibrary: Library = {
  name: "kubernetes.net.ip",
  types: [IP],
  functions: functions({
    ip: [call("string_to_ip", [STRING], IP, ipOfText)],
    isIP: [call("is_ip", [STRING], BOOL, (text: string) => !isRefusal(parseAddress(text)))],
    "ip.isCanonical": [call("ip_is_canonical", [STRING], BOOL, isCanonical)],
    family: [method("ip_family", [IP], INT, ({ ip }: IpValue) => BigInt(ip.family))],
    isUnspecified: [test("ip_is_unspecified", (ip) => isIn("unspecified", ip))],
    isLoopback: [test("ip_is_loopback", (ip) => isIn("loopback", ip))],
    isLinkLocalMulticast: [test("ip_is_link_local_multicast", isLinkLocalMulticast)],
    isLinkLocalUnicast: [test("ip_is_link_local_unicast", (ip) => isIn("linkLocalUnicast", ip))],
    isGlobalUnicast: [test("ip_is_global_unicast", isGlobalUnicast)],
    string: [call("ip_to_string", [IP], STRING, ({ ip }: IpValue) => formatIp(ip))],
  }),
};

export const cidrLibrary: Library = {
  name: "kubernetes.net.cidr",
  types: [CIDR],
  functions: functions({
    cidr: [call("string_to_cidr", [STRING], CIDR, cidrOfText)],
    isCIDR: [call("is_cidr", [STRING], BOOL, (text: string) => !isRefusal(parsePrefix(text)))],
    containsIP: [
      method("cidr_contains_ip_string", [CIDR, STRING], BOOL, containsIpText),
      method("cidr_contains_ip_ip", [CIDR, IP], BOOL, containsIp),
    ],
    containsCIDR: [
      method("cidr_contains_cidr_string", [CIDR, STRING], BOOL, containsCidrText),
      method("cidr_contains_cidr", [CIDR, CIDR], BOOL, containsCidr),
    ],
    ip: [method("cidr_ip", [CIDR], IP, ({ prefix }: CidrValue) => new IpValue(prefix.ip))],
    prefixLength: [
      method("cidr_prefix_length", [CIDR], INT, ({ prefix }: CidrValue) => BigInt(prefix.bits)),
    ],
    masked: [method("cidr_masked", [CIDR], CIDR, masked)],
    string: [
      call("cidr_to_string", [CIDR], STRING, ({ prefix }: CidrValue) => formatPrefix(prefix)),
    ],
  }),
};
