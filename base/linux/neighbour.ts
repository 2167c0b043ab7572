import { type NetlinkSocket, NLM_F } from "./netlink.ts";
import { addressBytes, addressText, attribute, macBytes, macText, parseAttributes } from
  "./netlink-attributes.ts";

const RTM = { NEWNEIGH: 28, GETNEIGH: 30 } as const;
const NDA = { DST: 1, LLADDR: 2 } as const;
const NUD_PERMANENT = 0x80;
const AF_INET = 2;
const AF_INET6 = 10;

/** An entry of the neighbour table: the hardware address behind an IP address. */
export interface Neighbour {
  address: string;
  mac: string;
  link: number;
}

/** Sets a permanent neighbour entry, for which no ARP request is sent. */
export function replaceNeighbour(socket: NetlinkSocket, neighbour: Neighbour): void {
  const address = addressBytes(neighbour.address);
  const header = Buffer.alloc(12);
  header.writeUInt8(address.length === 4 ? AF_INET : AF_INET6, 0);
  header.writeInt32LE(neighbour.link, 4);
  header.writeUInt16LE(NUD_PERMANENT, 8);
  const parts = [header, attribute(NDA.DST, address)];
  parts.push(attribute(NDA.LLADDR, macBytes(neighbour.mac)));
  const doing = `set neighbour ${neighbour.address} on link ${neighbour.link}`;
  socket.request(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, Buffer.concat(parts), doing);
}

/** The entries with a known hardware address. */
export function listNeighbours(socket: NetlinkSocket, family: 4 | 6 = 4): Neighbour[] {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === 4 ? AF_INET : AF_INET6, 0);
  return socket.dump(RTM.GETNEIGH, header, "list the neighbours", parseNeighbour);
}

/** An entry with a known hardware address; none for any other. */
export function parseNeighbour(body: Buffer): Neighbour[] {
  const attributes = parseAttributes(body, 12);
  const address = attributes.get(NDA.DST);
  const mac = attributes.get(NDA.LLADDR);
  if (!address || mac?.length !== 6) return [];
  return [{ address: addressText(address), mac: macText(mac), link: body.readInt32LE(4) }];
}
