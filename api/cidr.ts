/** Arithmetic of ServiceCIDRs (upstream's pkg/api/servicecidr). */
import { isIP } from "node:net";
import { formatIp, ipOf, lastOf, subnetOf } from "@raft2kube/std/ip.ts";

const PREFIX_MAX: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** A network of either family, from its first address to its last. */
export interface Cidr {
  readonly family: "IPv4" | "IPv6";
  readonly bits: number;
  readonly first: bigint;
  readonly last: bigint;
}

/** Whether a text is a range such as `10.0.0.0/8`. */
export function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const limit = PREFIX_MAX[isIP(address)];
  return limit !== undefined && rest.length === 0 && /^\d+$/.test(bits) && Number(bits) <= limit;
}

/** Parses `10.96.0.0/16` and clears the bits after the prefix; undefined for invalid text. */
export function parseCidr(text: string): Cidr | undefined {
  if (!isCidr(text)) return undefined;
  const [address = "", bits] = text.split("/");
  const subnet = subnetOf(ipOf(address)!, Number(bits))!;
  const { network: first, prefix } = subnet;
  return { family: familyOf(address), bits: prefix, first, last: lastOf(subnet) };
}

export function familyOf(address: string): "IPv4" | "IPv6" {
  return address.includes(":") ? "IPv6" : "IPv4";
}

/** An address as a number. */
export const numberOf = (address: string): bigint => ipOf(address)!.value;

/** A number as an address in its canonical form. */
export function addressOf(value: bigint, family: Cidr["family"]): string {
  return formatIp({ family: family === "IPv4" ? 4 : 6, value });
}

export function overlap(one: Cidr, other: Cidr): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

/** Whether a network is the other one or holds all of it. */
export function covers(outer: Cidr, inner: Cidr): boolean {
  return overlap(outer, inner) && outer.bits <= inner.bits;
}

/**
 * Whether a Service can have the address from this network: neither its first one nor, of IPv4, the
 * broadcast address.
 */
export function hasAddress(network: Cidr, address: string): boolean {
  if (isIP(address) === 0 || familyOf(address) !== network.family) return false;
  const value = numberOf(address);
  const last = network.family === "IPv4" ? network.last - 1n : network.last;
  return value > network.first && value <= last;
}
