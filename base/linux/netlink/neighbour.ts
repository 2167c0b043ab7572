import { addressBytes } from "../socket/address-bytes.ts";
import { attribute, u8Attribute, u32Attribute } from "./attributes.ts";
import {
  deleteEntry,
  type EntryKey,
  header,
  listEntries,
  NDA,
  type Neighbour,
  RTM,
  replaceEntry,
} from "./neighbour-messages.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";

export type { Neighbour } from "./neighbour-messages.ts";

const NTF_EXT_LEARNED = 0x10;
const NTF_EXT_MANAGED = 0x01;

/** Adds a permanent neighbour, in the place of the one of the same address. */
export function replaceNeighbour(route: NetlinkSocket, entry: EntryKey): void {
  replaceEntry(route, "ip", entry);
}

/**
 * Makes the kernel resolve an IPv4 address of a link now, and keep the entry beyond the table's
 * bound (`managed`, `extern_learn`). Before Linux 5.16 the first packet has it resolved. `protocol`
 * is the owner's number.
 */
export function keepNeighbour(
  route: NetlinkSocket,
  { link, address, protocol }: Required<Pick<Neighbour, "link" | "address" | "protocol">>,
): void {
  const head = header("ip", link);
  head.writeUInt8(NTF_EXT_LEARNED, 10);
  const body = Buffer.concat([
    head,
    attribute(NDA.DST, addressBytes(address)),
    u8Attribute(NDA.PROTOCOL, protocol),
    u32Attribute(NDA.FLAGS_EXT, NTF_EXT_MANAGED),
  ]);
  const doing = `keep neighbour ${address} of link ${link}`;
  route.request(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, body, doing);
}

/** Deletes a neighbour by its address. Returns false when it was not there. */
export function deleteNeighbour(route: NetlinkSocket, entry: EntryKey): boolean {
  return deleteEntry(route, "ip", entry);
}

/** The neighbours of one link. */
export function listNeighbours(route: NetlinkSocket, link: number): Neighbour[] {
  return listEntries(route, "ip", link);
}
