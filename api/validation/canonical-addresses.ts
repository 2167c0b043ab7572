/** Addresses and networks of fields that take their canonical form alone. */
import { isIP } from "node:net";
import { ipOf } from "@raft2kube/std/ip.ts";
import ipaddr from "ipaddr.js";
import { addressOf, parseCidr } from "../cidr.ts";
import { type FieldError, invalid } from "../errors.ts";

/** The bits before the IPv4 address of a mapped one (RFC 4291 2.5.5.2). */
const MAPPED = 0xffffn;

/** Returns the reasons why a text is not an address in its canonical form, none for one that is. */
export function canonicalIp(text: string): string[] {
  const wrong = ipProblem(text);
  if (wrong !== undefined) return [wrong];
  const address = ipaddr.parse(text);
  const canonical = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return text === canonical ? [] : [`must be in canonical form ("${canonical}")`];
}

/** Returns why a text is no address, or one that programs read differently. */
export function ipProblem(text: string): string | undefined {
  const read = withoutLeadingZeros(text);
  if (isIP(read) === 0) return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
  if (read !== text) return "must not have leading 0s";
  return isMapped(ipaddr.parse(read)) ? "must not be an IPv4-mapped IPv6 address" : undefined;
}

/** A network in its canonical form: without bits after the prefix. */
export function validateCanonicalCidr(text: string, path: string): FieldError[] {
  const wrong = cidrProblem(text);
  if (wrong !== undefined) return [invalid(path, text, wrong)];
  const network = parseCidr(text)!;
  const canonical = `${addressOf(network.first, network.family)}/${network.bits}`;
  return text === canonical
    ? []
    : [invalid(path, text, `must be in canonical form ("${canonical}")`)];
}

/** Returns why a text is no network, or one that programs read differently. */
export function cidrProblem(text: string): string | undefined {
  const [address = "", bits = "", ...rest] = text.split("/");
  const read = `${withoutLeadingZeros(address)}/${bits.replace(/^0+(?=\d)/, "")}`;
  const network = rest.length === 0 ? parseCidr(read) : undefined;
  if (network === undefined) {
    return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
  }
  if (read !== text) return "must not have leading 0s in IP or prefix length";
  const given = ipOf(address)!;
  if (given.family === 6 && given.value >> 32n === MAPPED) {
    return "must not have an IPv4-mapped IPv6 address";
  }
  const same = given.value === network.first;
  return same ? undefined : "must not have bits set beyond the prefix length";
}

/** Reads `010.1.2.003` as Kubernetes once did. */
function withoutLeadingZeros(text: string): string {
  if (!/^0\d|\.0\d/.test(text) || !/^\d+\.\d+\.\d+\.\d+$/.test(text)) return text;
  return text
    .split(".")
    .map((part) => part.replace(/^0+(?=\d)/, ""))
    .join(".");
}

function isMapped(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();
}
