import { isIP } from "node:net";
import { type Ip, ipOf, type Subnet, subnetOf as subnet } from "@raft2kube/std/ip.ts";
import ipaddr from "ipaddr.js";
import { CniError } from "./errors.ts";

export type { Ip, Subnet } from "@raft2kube/std/ip.ts";
export { contains, formatIp, formatSubnet, lastOf } from "@raft2kube/std/ip.ts";

/** Returns the family of an address or of one with a prefix length. */
export const familyOf = (cidr: string): 4 | 6 => (isIP(cidr.split("/")[0] ?? "") === 6 ? 6 : 4);

/** Parses an address; IPv4-mapped IPv6 is IPv4. Error "invalid-config" names the field `what`. */
export function parseIp(text: unknown, what: string): Ip {
  const isAddress = typeof text === "string" && ipaddr.isValid(text);
  const ip = isAddress ? ipOf(ipaddr.process(text).toString()) : undefined;
  if (ip) return ip;
  throw new CniError("invalid-config", `${what} ${JSON.stringify(text)} is not an IP address`);
}

/** Parses `10.1.0.0/16` and clears host bits. Error "invalid-config" names the field `what`. */
export function parseSubnet(text: unknown, what: string): Subnet {
  const [address = "", length = ""] = typeof text === "string" ? text.split("/") : [];
  const valid = /^\d{1,3}$/.test(length) && ipaddr.isValid(address);
  const found = valid ? subnet(parseIp(address, what), Number(length)) : undefined;
  if (found) return found;
  throw new CniError("invalid-config", `${what} ${JSON.stringify(text)} is not a subnet`);
}

/** Returns the subnet of an address with prefix length, such as `10.1.0.5/16`. */
export const subnetOf = (cidr: string): Subnet => parseSubnet(cidr, "address");
