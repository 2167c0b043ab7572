import { errno, succeeds } from "@raft2kube/std/errors.ts";
import { addressBytes, addressText, macBytes, macText } from "../socket/address-bytes.ts";
import { attribute, parseAttributes, u32Attribute } from "./attributes.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";

export const RTM = { NEWNEIGH: 28, DELNEIGH: 29, GETNEIGH: 30 } as const;
export const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8, PROTOCOL: 12, FLAGS_EXT: 15 } as const;
const NUD_NONE = 0;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 0x02;
const RTN_UNICAST = 1;
const HEADER_BYTES = 12;
const FAMILY = { ip: 2, ip6: 10, bridge: 7 } as const;

/** The kernel's two tables of these messages: neighbours (`ip`), and forwarding databases. */
export type NeighbourTable = "ip" | "bridge";

/** An entry of a link's neighbours or of its forwarding database. */
export interface Neighbour {
  /** The link's index. */
  link: number;
  /** IP address; empty when the entry has none. */
  address: string;
  /** Hardware address; empty when it is not known (yet). */
  mac: string;
  permanent: boolean;
  /** The number of the program that made it, where it gave one. */
  protocol?: number;
}

/** The head of a message (ndmsg); without a link that of a dump. */
export function header(table: keyof typeof FAMILY, link = 0, state = NUD_NONE): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt8(FAMILY[table], 0);
  bytes.writeInt32LE(link, 4);
  bytes.writeUInt16LE(state, 8);
  if (link === 0) return bytes;
  // VXLAN's own database; without the flag that of the bridge it is a port of.
  bytes.writeUInt8(table === "bridge" ? NTF_SELF : 0, 10);
  bytes.writeUInt8(table === "bridge" ? 0 : RTN_UNICAST, 11);
  return bytes;
}

/** The fields that name an entry. */
export type EntryKey = Pick<Neighbour, "link" | "address" | "mac">;

const text = (table: NeighbourTable, { link, address, mac }: EntryKey) =>
  `${table === "ip" ? "neighbour" : "forwarding entry"} ${address} at ${mac} of link ${link}`;

/** Adds a permanent entry, in the place of the one for the same address (`bridge`: `mac`). */
export function replaceEntry(route: NetlinkSocket, table: NeighbourTable, entry: EntryKey): void {
  const body = Buffer.concat([
    header(table, entry.link, NUD_PERMANENT),
    attribute(NDA.DST, addressBytes(entry.address)),
    attribute(NDA.LLADDR, macBytes(entry.mac)),
  ]);
  route.request(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, body, `set ${text(table, entry)}`);
}

/** Deletes an entry. Returns false when it was not there. */
export function deleteEntry(route: NetlinkSocket, table: NeighbourTable, entry: EntryKey): boolean {
  const body = Buffer.concat([
    header(table, entry.link),
    ...(entry.address === "" ? [] : [attribute(NDA.DST, addressBytes(entry.address))]),
    ...(table === "ip" ? [] : [attribute(NDA.LLADDR, macBytes(entry.mac))]),
  ]);
  return succeeds(
    () => route.request(RTM.DELNEIGH, 0, body, `delete ${text(table, entry)}`),
    errno("ENOENT", "ENODEV", "ENXIO"),
  );
}

/** The entries of one link. */
export function listEntries(
  route: NetlinkSocket,
  table: NeighbourTable,
  link: number,
): Neighbour[] {
  const body = Buffer.concat([header(table), u32Attribute(NDA.IFINDEX, link)]);
  const doing = `list the ${table === "ip" ? "neighbours" : "forwarding entries"} of link ${link}`;
  const entries = route.dump(RTM.GETNEIGH, body, doing, (bytes) => [parseNeighbour(bytes)]);
  return entries.filter((entry) => entry.link === link);
}

/** An entry, of the body of RTM_NEWNEIGH. */
export function parseNeighbour(body: Buffer): Neighbour {
  const attributes = parseAttributes(body, HEADER_BYTES);
  const address = attributes.get(NDA.DST);
  const mac = attributes.get(NDA.LLADDR);
  const protocol = attributes.get(NDA.PROTOCOL)?.[0];
  return {
    link: body.readInt32LE(4),
    address: address ? addressText(address) : "",
    mac: mac ? macText(mac) : "",
    permanent: (body.readUInt16LE(8) & NUD_PERMANENT) !== 0,
    ...(protocol === undefined ? {} : { protocol }),
  };
}
