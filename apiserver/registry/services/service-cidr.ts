import ipaddr from "ipaddr.js";
import { CodedError } from "@raft2kube/std/errors.ts";

/** Prefixes for which offsets are plain numbers and a cluster has room. */
const PREFIX_MIN = 12;
const PREFIX_MAX = 28;

/** The IPv4 range that Services get their addresses from. */
export interface ServiceCidr {
  /** The network address as a number. */
  base: number;
  /** Addresses that can be given out: all but the network's and the broadcast's own. */
  size: number;
  text: string;
}

/** Throws CodedError `BAD_SERVICE_CIDR` on anything but an IPv4 network of /12 to /28. */
export function parseServiceCidr(text: string): ServiceCidr {
  const bad = (why: string) =>
    new CodedError("BAD_SERVICE_CIDR", `service CIDR ${text}: ${why}`, {
      remedy: "give an IPv4 network such as 10.96.0.0/16",
    });
  if (!ipaddr.IPv4.isValidCIDR(text)) throw bad("not an IPv4 network");
  const [address, prefix] = ipaddr.IPv4.parseCIDR(text);
  if (prefix < PREFIX_MIN || prefix > PREFIX_MAX) {
    throw bad(`the prefix must be /${PREFIX_MIN} to /${PREFIX_MAX}`);
  }
  const size = 2 ** (32 - prefix);
  const given = numberOf(address.toString());
  if (given % size !== 0) throw bad("bits are set behind the prefix");
  return { base: given, size: size - 2, text };
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The address at `offset`, counted from 1. */
export function addressAt(cidr: ServiceCidr, offset: number): string {
  const value = cidr.base + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** Whether an address lies in the range, be it one that cannot be given out. */
export function isWithin(cidr: ServiceCidr, address: string): boolean {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) return false;
  const offset = numberOf(address) - cidr.base;
  return offset >= 0 && offset <= cidr.size + 1;
}

/** The offset of an address, or undefined when it lies outside or cannot be given out. */
export function offsetOf(cidr: ServiceCidr, address: string): number | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined;
  const offset = numberOf(address) - cidr.base;
  return offset >= 1 && offset <= cidr.size ? offset : undefined;
}

/** The address of the Service `kubernetes`. */
export function firstServiceAddress(cidr: string): string {
  return addressAt(parseServiceCidr(cidr), 1);
}

/**
 * Offsets below this are given out last, so that users can ask for low addresses by name
 * (upstream's ServiceIPStaticSubrange: a sixteenth, at least 16 and at most 256).
 */
export function staticBand(cidr: ServiceCidr): number {
  return Math.min(Math.max(16, Math.floor(cidr.size / 16)), 256);
}
