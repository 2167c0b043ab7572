import ipaddr from "ipaddr.js";

export type Family = 4 | 6;

/** An address as a number, for arithmetic on ranges. */
export type Ip = { readonly family: Family; readonly value: bigint };

/** A subnet by its network address and prefix length. */
export type Subnet = { readonly family: Family; readonly network: bigint; readonly prefix: number };

/** Returns the length of an address. */
export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

/** An address of IPv4 in its usual form: bytes in decimals, without leading zeros. */
const DOTTED = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** Parses an address; undefined for any other text. An IPv4-mapped address stays IPv6. */
export function ipOf(text: string): Ip | undefined {
  // Most are of IPv4 in its usual form, and an object may have 60,000.
  if (DOTTED.test(text)) {
    const value = text.split(".").reduce((sum, byte) => 256 * sum + Number(byte), 0);
    return { family: 4, value: BigInt(value) };
  }
  if (!ipaddr.isValid(text)) return undefined;
  const bytes = Buffer.from(ipaddr.parse(text).toByteArray());
  return { family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString("hex")}`) };
}

/** Returns the canonical text of an address (RFC 5952). */
export function formatIp({ family, value }: Ip): string {
  const hex = value.toString(16).padStart(bitsOf(family) / 4, "0");
  return ipaddr.fromByteArray([...Buffer.from(hex, "hex")]).toString();
}

/** Returns the subnet of an address; undefined when the prefix is longer than the address. */
export function subnetOf({ family, value }: Ip, prefix: number): Subnet | undefined {
  const bits = bitsOf(family);
  if (prefix > bits) return undefined;
  const hostBits = BigInt(bits - prefix);
  return { family, network: (value >> hostBits) << hostBits, prefix };
}

/** The bits of an IPv6 address that its client does not choose itself. */
const CLIENT_PREFIX = 64;

/**
 * Returns whose an address is: the /64 network of an IPv6 client, which has all addresses of it,
 * and of others the address, also of one of IPv4 that is mapped.
 */
export function clientOf(address: string): string {
  // Most are of IPv4, in one form or the other.
  const ip = address.includes(".") ? undefined : ipOf(address);
  const network = ip && subnetOf(ip, CLIENT_PREFIX);
  return network ? formatSubnet(network) : address;
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

/** Whether all of `inner` is in `outer`, of the same family. */
export function includes(outer: Subnet, inner: Subnet): boolean {
  return outer.network <= inner.network && lastOf(inner) <= lastOf(outer);
}

/** Whether two IPv4 ranges, or addresses, have an address in common. */
export function overlaps(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => {
    return ipaddr.parseCIDR(text.includes("/") ? text : `${text}/32`);
  }) as [[ipaddr.IPv4, number], [ipaddr.IPv4, number]];
  return first[0].match(second[0], Math.min(first[1], second[1]));
}
