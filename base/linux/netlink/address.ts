import { errno, succeeds } from "@raft2kube/std/errors.ts";
import { addressBytes, addressText } from "../socket/address-bytes.ts";
import { AF_INET, AF_INET6 } from "../syscall/numbers.ts";
import { step } from "../syscall/steps.ts";
import { attribute, parseAttributes, u32Attribute } from "./attributes.ts";
import { linkName } from "./link.ts";
import { NetlinkError } from "./messages.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";

const RTM = { NEWADDR: 20, DELADDR: 21, GETADDR: 22 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;
const SCOPE_HOST = 254;

/** An address on a link, in CIDR notation: `10.244.0.1/24`. */
export interface Address {
  cidr: string;
  /** The link's index. */
  link: number;
}

/** `10.0.0.1/24` in its two parts; EINVAL when it is none. */
export function splitCidr(cidr: string): { address: string; prefix: number } {
  const [address = "", length = ""] = cidr.split("/");
  const bits = addressBytes(address).length * 8;
  const prefix = Number(length);
  if (!/^\d{1,3}$/.test(length) || prefix > bits) {
    throw new NetlinkError("EINVAL", `${JSON.stringify(cidr)} is not in CIDR notation`);
  }
  return { address, prefix };
}

function body(link: number, cidr: string, connected = true): Buffer {
  const { address, prefix } = splitCidr(cidr);
  const bytes = addressBytes(address);
  const header = Buffer.alloc(8);
  header.writeUInt8(bytes.length === 4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(address.startsWith("127.") ? SCOPE_HOST : 0, 3);
  header.writeUInt32LE(link, 4);
  const parts = [header, attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)];
  if (bytes.length === 4 && prefix < 31) {
    const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
    const broadcast = Buffer.alloc(4);
    broadcast.writeUInt32BE((bytes.readUInt32BE() | ~mask) >>> 0);
    parts.push(attribute(IFA.BROADCAST, broadcast));
  }
  // Duplicate detection would leave an IPv6 address unusable for a second; allocation is ours to
  // keep unique.
  const flags = (bytes.length === 16 ? IFA_F_NODAD : 0) | (connected ? 0 : IFA_F_NOPREFIXROUTE);
  if (flags !== 0) parts.push(u32Attribute(IFA.FLAGS, flags));
  return Buffer.concat(parts);
}

/**
 * Puts an address on a link; unless `connected` is false with a route to its subnet. Returns false
 * when it is there already.
 */
export function addAddress(
  route: NetlinkSocket,
  link: number,
  cidr: string,
  { connected = true } = {},
): boolean {
  return succeeds(() => {
    const flags = NLM_F.CREATE | NLM_F.EXCL;
    const doing = `add address ${cidr} to link ${link}`;
    step(() => ["ip", "addr", "add", cidr, "dev", linkName(route, link)]);
    route.request(RTM.NEWADDR, flags, body(link, cidr, connected), doing);
  }, errno("EEXIST"));
}

/** Takes an address off a link. Returns false when it was not there. */
export function deleteAddress(route: NetlinkSocket, link: number, cidr: string): boolean {
  return succeeds(
    () => route.request(RTM.DELADDR, 0, body(link, cidr), `delete address ${cidr} of link ${link}`),
    errno("EADDRNOTAVAIL"),
  );
}

/** The addresses of a link, or of all links. */
export function listAddresses(route: NetlinkSocket, link = 0): Address[] {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(link, 4);
  return route.dump(RTM.GETADDR, header, "list the addresses", (body) => [parseAddress(body)]);
}

/** An address, of the body of RTM_NEWADDR. */
export function parseAddress(body: Buffer): Address {
  const attributes = parseAttributes(body, 8);
  const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
  const prefix = body.readUInt8(1);
  return { cidr: bytes ? `${addressText(bytes)}/${prefix}` : "", link: body.readUInt32LE(4) };
}
