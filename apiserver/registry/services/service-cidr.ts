import { type Cidr, numberOf, parseCidr } from "@raft2kube/api/cidr.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** Prefixes of `--service-cluster-ip-range`: a cluster has room, and one host route per range. */
const PREFIX_MIN = 12;
const PREFIX_MAX = 28;

/** A range of IPv4 addresses that Services get theirs from. */
export interface ServiceCidr {
  readonly text: string;
  readonly cidr: Cidr;
  /** The network address as a number: an address is made for each one that is tried. */
  readonly base: number;
  /** Addresses that can be allocated: all but the network's and the broadcast's own. */
  readonly size: number;
  /**
   * Offsets up to this are allocated last, so that users can ask for low addresses by name
   * (upstream's ServiceIPStaticSubrange: a sixteenth, at least 16 and at most 256).
   */
  readonly band: number;
}

const BAND_MIN = 16;
const BAND_MAX = 256;
const BAND_SHARE = 16;

/** A range of a ServiceCIDR; undefined for one of the other family. */
export function serviceCidr(text: string): ServiceCidr | undefined {
  const cidr = parseCidr(text);
  if (cidr?.family !== "IPv4") return undefined;
  const all = Number(cidr.last - cidr.first) + 1;
  const share = Math.min(Math.max(BAND_MIN, Math.floor(all / BAND_SHARE)), BAND_MAX);
  const base = Number(cidr.first);
  return { text, cidr, base, size: Math.max(0, all - 2), band: all <= BAND_MIN ? 0 : share };
}

/** Throws CodedError `BAD_SERVICE_CIDR` on anything but an IPv4 network of /12 to /28. */
export function parseServiceCidr(text: string): ServiceCidr {
  const bad = (why: string) =>
    new CodedError("BAD_SERVICE_CIDR", `service CIDR ${text}: ${why}`, {
      remedy: "give an IPv4 network such as 10.96.0.0/16",
    });
  const range = serviceCidr(text);
  if (range === undefined) throw bad("not an IPv4 network");
  if (range.cidr.bits < PREFIX_MIN || range.cidr.bits > PREFIX_MAX) {
    throw bad(`the prefix must be /${PREFIX_MIN} to /${PREFIX_MAX}`);
  }
  const [address = ""] = text.split("/");
  if (numberOf(address) !== range.cidr.first) throw bad("bits are set behind the prefix");
  return range;
}

/** The address at `offset`, counted from 1. */
export function addressAt({ base }: ServiceCidr, offset: number): string {
  const value = base + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** The address of the Service `kubernetes`. */
export const firstServiceAddress = (cidr: string): string => addressAt(parseServiceCidr(cidr), 1);
