import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { CniError } from "./errors.ts";

/** Returns the family of an address or of one with a prefix length. */
export function familyOf(cidr: string): 4 | 6 {
  return isIP(cidr.split("/")[0] ?? "") === 6 ? 6 : 4;
}

/** An address as a number, for arithmetic on ranges. */
export interface Ip {
  family: 4 | 6;
  value: bigint;
}

/** A subnet by its network address and prefix length. */
export interface Subnet {
  family: 4 | 6;
  network: bigint;
  prefix: number;
}

const bitsOf = (family: 4 | 6) => (family === 4 ? 32 : 128);

/** Parses an address; IPv4-mapped IPv6 is IPv4. Error "invalid-config" names the field `what`. */
export function parseIp(text: unknown, what: string): Ip {
  if (typeof text !== "string" || !ipaddr.isValid(text)) {
    throw new CniError("invalid-config", `${what} ${JSON.stringify(text)} is not an IP address`);
  }
  const bytes = ipaddr.process(text).toByteArray();
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** Returns the canonical text of an address (RFC 5952). */
export function formatIp({ family, value }: Ip): string {
  const bytes: number[] = [];
  for (let at = bitsOf(family) - 8; at >= 0; at -= 8) {
    bytes.push(Number((value >> BigInt(at)) & 255n));
  }
  return ipaddr.fromByteArray(bytes).toString();
}

/** Parses `10.1.0.0/16` and clears host bits. Error "invalid-config" names the field `what`. */
export function parseSubnet(text: unknown, what: string): Subnet {
  const [address, length] = typeof text === "string" ? text.split("/") : [];
  const prefix = Number(length);
  const valid = length !== undefined && /^\d{1,3}$/.test(length);
  if (!valid || address === undefined || !ipaddr.isValid(address)) {
    throw new CniError("invalid-config", `${what} ${JSON.stringify(text)} is not a subnet`);
  }
  const { family, value } = parseIp(address, what);
  if (prefix > bitsOf(family)) {
    throw new CniError("invalid-config", `${what} ${JSON.stringify(text)} is not a subnet`);
  }
  const hostBits = BigInt(bitsOf(family) - prefix);
  return { family, network: (value >> hostBits) << hostBits, prefix };
}

export function formatSubnet({ family, network, prefix }: Subnet): string {
  return `${formatIp({ family, value: network })}/${prefix}`;
}

/** Returns the subnet's last address; in IPv4 the broadcast address. */
export function lastOf({ family, network, prefix }: Subnet): bigint {
  return network + (1n << BigInt(bitsOf(family) - prefix)) - 1n;
}

export function contains(subnet: Subnet, ip: Ip): boolean {
  return ip.family === subnet.family && ip.value >= subnet.network && ip.value <= lastOf(subnet);
}

/** Returns the subnet of an address with prefix length, such as `10.1.0.5/16`. */
export function subnetOf(cidr: string): Subnet {
  return parseSubnet(cidr, "address");
}
