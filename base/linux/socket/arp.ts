import { closeSync } from "node:fs";
import { check, libc } from "../syscall/libc.ts";
import { addressBytes, addressText, macBytes, macText } from "./address-bytes.ts";
import { adoptDuplicate } from "./socket.ts";

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const ETH_P_ARP = 0x0806;
const FRAME_BYTES = 42;
/** Ethernet, IPv4, and the lengths of their addresses. */
const TYPES = Buffer.from("0001080006", "hex").toString("latin1") + "\u0004";

/** The Ethernet address of every machine on a link. */
export const BROADCAST = "ff:ff:ff:ff:ff:ff";
export const ARP = { REQUEST: 1, REPLY: 2 } as const;

/** An ARP packet of Ethernet and IPv4 (RFC 826). */
export interface ArpPacket {
  readonly operation: number;
  readonly sender: ArpParty;
  readonly target: ArpParty;
}

type ArpParty = { readonly mac: string; readonly ip: string };

/** A link's ARP packets. */
export interface ArpSocket {
  /** The link's hardware address. */
  readonly mac: string;
  /** Whether the link has gone or was taken down: no packet comes any more. */
  readonly closed: boolean;
  /** Sends a packet to a hardware address. Throws SystemCallError. */
  send(to: string, packet: ArpPacket): void;
  close(): void;
}

/**
 * Opens the ARP packets that arrive on a link of the network namespace that this thread is in;
 * frames that are no such packets are ignored. Throws SystemCallError.
 */
export function openArp(
  { index, mac }: { index: number; mac: string },
  onPacket: (packet: ArpPacket) => void,
): ArpSocket {
  // struct sockaddr_ll: family, protocol in network order, index.
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET);
  address.writeUInt16BE(ETH_P_ARP, 2);
  address.writeInt32LE(index, 4);
  // Protocol 0: nothing arrives before it is bound to the link.
  const socket = libc.socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0);
  const fd = check("socket", socket, "for ARP");
  try {
    check("bind", libc.bind(fd, address, address.length), `ARP on link ${index}`);
    const frames = adoptDuplicate(fd, { readable: true });
    frames.on("data", (frame: Buffer) => {
      const packet = parseArp(frame);
      if (packet) onPacket(packet);
    });
    frames.once("close", () => closeSync(fd));
    return {
      mac,
      get closed() {
        return frames.destroyed;
      },
      send(to, packet) {
        const frame = frameOf(to, mac, packet);
        check("send", libc.send(fd, frame, frame.length, 0), `ARP on link ${index}`);
      },
      close: () => frames.destroy(),
    };
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

function parseArp(frame: Buffer): ArpPacket | undefined {
  if (frame.length < FRAME_BYTES || frame.toString("latin1", 14, 20) !== TYPES) return undefined;
  const party = (at: number) => ({
    mac: macText(frame.subarray(at, at + 6)),
    ip: addressText(frame.subarray(at + 6, at + 10)),
  });
  return { operation: frame.readUInt16BE(20), sender: party(22), target: party(32) };
}

function frameOf(to: string, from: string, { operation, sender, target }: ArpPacket): Buffer {
  const numbers = Buffer.alloc(10);
  numbers.writeUInt16BE(ETH_P_ARP);
  numbers.write(TYPES, 2, "latin1");
  numbers.writeUInt16BE(operation, 8);
  const parties = [sender, target].flatMap(({ mac, ip }) => [macBytes(mac), addressBytes(ip)]);
  return Buffer.concat([macBytes(to), macBytes(from), numbers, ...parties]);
}
