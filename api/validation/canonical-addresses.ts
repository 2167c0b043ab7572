/** Addresses and networks of fields that take their canonical form alone. */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { addressOf, parseCidr } from "../cidr.ts";
import { type FieldError, invalid } from "../errors.ts";

/** Returns the reasons why a text is not an address in its canonical form, none for one that is. */
export function canonicalIp(text: string): string[] {
  const read = withoutLeadingZeros(text);
  if (isIP(read) === 0) return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
  if (read !== text) return ["must not have leading 0s"];
  const address = ipaddr.parse(read);
  if (isMapped(address)) return ["must not be an IPv4-mapped IPv6 address"];
  const canonical = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return text === canonical ? [] : [`must be in canonical form ("${canonical}")`];
}

/** A network in its canonical form: without bits after the prefix. */
export function validateCanonicalCidr(text: string, path: string): FieldError[] {
  const wrong = cidrProblem(text);
  return wrong === undefined ? [] : [invalid(path, text, wrong)];
}

function cidrProblem(text: string): string | undefined {
  const [address = "", bits = "", ...rest] = text.split("/");
  const read = `${withoutLeadingZeros(address)}/${bits.replace(/^0+(?=\d)/, "")}`;
  const network = rest.length === 0 ? parseCidr(read) : undefined;
  if (network === undefined) {
    return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
  }
  if (read !== text) return "must not have leading 0s in IP or prefix length";
  const given = ipaddr.parse(address);
  if (isMapped(given)) return "must not have an IPv4-mapped IPv6 address";
  const first = addressOf(network.first, network.family);
  const same = given.toNormalizedString() === ipaddr.parse(first).toNormalizedString();
  if (!same) return "must not have bits set beyond the prefix length";
  const canonical = `${first}/${network.bits}`;
  return text === canonical ? undefined : `must be in canonical form ("${canonical}")`;
}

/** Reads `010.1.2.003` as Kubernetes once did. */
function withoutLeadingZeros(text: string): string {
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(text)) return text;
  return text
    .split(".")
    .map((part) => part.replace(/^0+(?=\d)/, ""))
    .join(".");
}

function isMapped(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();
}
