import { isErrno } from "@raft2kube/std/errors.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";
import {
  addressBytes, addressText, attribute, macBytes, macText, parseAttributes, u32Attribute,
  u8Attribute,
} from "./netlink-attributes.ts";

const RTM = { NEWNEIGH: 28, DELNEIGH: 29, GETNEIGH: 30 } as const;
const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8, PROTOCOL: 12, FLAGS_EXT: 15 } as const;
const NUD_NONE = 0;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 0x02;
const NTF_EXT_LEARNED = 0x10;
const NTF_EXT_MANAGED = 0x01;
const RTN_UNICAST = 1;
const HEADER_BYTES = 12;
const FAMILY = { ip: 2, ip6: 10, bridge: 7 } as const;

/**
 * The table that an entry is in: that of neighbours (`ip`: which hardware address an IP address
 * has) or a link's forwarding database (`bridge`: to which address VXLAN sends a hardware
 * address's frames).
 */
export type NeighbourTable = "ip" | "bridge";

/** An entry of a link's neighbours or forwarding database. */
export interface Neighbour {
  /** The link's index. */
  link: number;
  /** Empty when the entry has none. */
  address: string;
  /** Empty when it is not known (yet). */
  mac: string;
  permanent: boolean;
  /** The number of the program that made it, where it gave one. */
  protocol?: number;
}

function header(table: keyof typeof FAMILY, link = 0, state = NUD_NONE): Buffer {
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

type Entry = Pick<Neighbour, "link" | "address" | "mac">;

const text = (table: NeighbourTable, { link, address, mac }: Entry) =>
  `${table === "ip" ? "neighbour" : "forwarding entry"} ${address} at ${mac} of link ${link}`;

/** Adds a permanent entry, in the place of the one for the same address (`bridge`: `mac`). */
export function replaceNeighbour(
  route: NetlinkSocket,
  table: NeighbourTable,
  entry: Entry,
): void {
  const body = Buffer.concat([
    header(table, entry.link, NUD_PERMANENT),
    attribute(NDA.DST, addressBytes(entry.address)),
    attribute(NDA.LLADDR, macBytes(entry.mac)),
  ]);
  route.request(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, body, `set ${text(table, entry)}`);
}

/**
 * Has the kernel resolve an IPv4 address of a link now, and keep the entry beyond the bound of the
 * table (`managed`, `extern_learn`). Before Linux 5.16 the first packet has it resolved. `protocol`
 * is the owner's number.
 */
export function keepNeighbour(
  route: NetlinkSocket,
  { link, address, protocol }: Required<Pick<Neighbour, "link" | "address" | "protocol">>,
): void {
  const head = header("ip", link, NUD_NONE);
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

/** Deletes an entry. Returns false when it was not there. */
export function deleteNeighbour(
  route: NetlinkSocket,
  table: NeighbourTable,
  entry: Entry,
): boolean {
  const body = Buffer.concat([
    header(table, entry.link),
    ...(entry.address === "" ? [] : [attribute(NDA.DST, addressBytes(entry.address))]),
    ...(table === "ip" ? [] : [attribute(NDA.LLADDR, macBytes(entry.mac))]),
  ]);
  try {
    route.request(RTM.DELNEIGH, 0, body, `delete ${text(table, entry)}`);
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENODEV", "ENXIO")) return false;
    throw thrown;
  }
}

/** The entries of one link. */
export function listNeighbours(
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
