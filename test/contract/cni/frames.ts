import { closeSync, readSync } from "node:fs";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import ipaddr from "ipaddr.js";

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000 | 0o2000000;
const ETH_P_ALL = 3;
const SOCKADDR_LL_BYTES = 20;
const FRAME_BYTES = 9_000;

/** A link's raw frames: what a container with CAP_NET_RAW can send and see. */
export interface RawLink {
  send(frame: Buffer): void;
  /** The frames that came since the last call. */
  receive(): Buffer[];
  close(): void;
}

export function openRaw(netns: string, ifName: string): RawLink {
  const fd = inNetns(netns, () => {
    using route = openRoute();
    const protocol = Buffer.alloc(2);
    protocol.writeUInt16BE(ETH_P_ALL);
    const socket = libc.socket(AF_PACKET, SOCK_RAW_NONBLOCK, protocol.readUInt16LE());
    const opened = check("socket", socket, "for raw frames");
    const address = Buffer.alloc(SOCKADDR_LL_BYTES);
    address.writeUInt16LE(AF_PACKET);
    protocol.copy(address, 2);
    address.writeInt32LE(getLink(route, ifName).index, 4);
    check("bind", libc.bind(opened, address, address.length), ifName);
    return opened;
  });
  return {
    send(frame) {
      check("send", Number(libc.send(fd, frame, frame.length, 0)), ifName);
    },
    receive() {
      const frames: Buffer[] = [];
      const buffer = Buffer.alloc(FRAME_BYTES);
      for (;;) {
        try {
          frames.push(Buffer.from(buffer.subarray(0, readSync(fd, buffer))));
        } catch (thrown) {
          if (isErrno(thrown, "EAGAIN")) return frames;
          throw thrown;
        }
      }
    },
    close: () => closeSync(fd),
  };
}

export const macBytes = (mac: string) => Buffer.from(mac.replaceAll(":", ""), "hex");
export const ipBytes = (address: string) => Buffer.from(ipaddr.parse(address).toByteArray());
export const BROADCAST = "ff:ff:ff:ff:ff:ff";

const be16 = (...values: number[]) => {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, at) => bytes.writeUInt16BE(value, at * 2));
  return bytes;
};

export function ethernet(to: string, from: string, type: number, payload: Buffer): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), be16(type), payload]);
}

/** RFC 826. An announcement when both addresses are the same. */
export function arp(
  operation: 1 | 2,
  sender: { mac: string; ip: string },
  target: { mac: string; ip: string },
): Buffer {
  return Buffer.concat([
    be16(1, 0x0800),
    Buffer.from([6, 4]),
    be16(operation),
    macBytes(sender.mac),
    ipBytes(sender.ip),
    macBytes(target.mac),
    ipBytes(target.ip),
  ]);
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at]! << 8) + (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * An IPv4 datagram to the discard port; with `firstOf`, the first fragment of the one that this
 * number identifies.
 */
export function udp4(from: string, to: string, text: string, firstOf?: number): Buffer {
  const data = Buffer.from(text);
  return ip4(17, from, to, Buffer.concat([be16(9, 9, 8 + data.length, 0), data]), firstOf);
}

/** RFC 1191: a datagram from `sender` to `receiver` does not fit the next link. */
export function tooBig4(
  from: string,
  to: string,
  [sender, receiver]: [string, string],
  firstOf?: number,
): Buffer {
  const quoted = udp4(sender, receiver, "");
  const message = Buffer.concat([Buffer.from([3, 4]), be16(0, 0, 552), quoted]);
  message.writeUInt16BE(checksum(message), 2);
  return ip4(1, from, to, message, firstOf);
}

function ip4(
  protocol: number,
  from: string,
  to: string,
  payload: Buffer,
  firstOf: number | undefined,
): Buffer {
  const header = Buffer.concat([
    be16(0x4500, 20 + payload.length, firstOf ?? 0, firstOf === undefined ? 0 : 0x2000),
    Buffer.from([64, protocol]),
    be16(0),
    ipBytes(from),
    ipBytes(to),
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** An ICMPv6 message with the hop limit that neighbour discovery demands. */
export function icmp6(from: string, to: string, type: number, body: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), body]);
  const pseudo = Buffer.concat([
    ipBytes(from),
    ipBytes(to),
    be16(0, message.length, 0, 58),
    message,
  ]);
  message.writeUInt16BE(checksum(pseudo), 2);
  const header = Buffer.concat([
    be16(0x6000, 0, message.length),
    Buffer.from([58, 255]),
    ipBytes(from),
    ipBytes(to),
  ]);
  return Buffer.concat([header, message]);
}

/** RFC 4861: a router for half an hour, with a prefix to make addresses of. */
export function routerAdvertisement(mac: string, from: string): Buffer {
  const prefix = Buffer.concat([
    Buffer.from([3, 4, 64, 0xc0]),
    be16(0, 1800, 0, 1800, 0, 0),
    ipBytes("2001:db8:bad::"),
  ]);
  const source = Buffer.concat([Buffer.from([1, 1]), macBytes(mac)]);
  const lifetimes = Buffer.concat([Buffer.from([64, 0]), be16(1800, 0, 0, 0, 0)]);
  return icmp6(from, "ff02::1", 134, Buffer.concat([lifetimes, source, prefix]));
}

/** RFC 4443: a packet from `sender` to `receiver` does not fit the next link. */
export function tooBig6(from: string, to: string, [sender, receiver]: [string, string]): Buffer {
  const quoted = icmp6(sender, receiver, 129, Buffer.alloc(4));
  return icmp6(from, to, 2, Buffer.concat([be16(0, 1280), quoted]));
}

/** RFC 8200: a packet as the first of several fragments. */
export function firstFragment6(packet: Buffer): Buffer {
  const header = Buffer.from(packet.subarray(0, 40));
  const payload = packet.subarray(40);
  header.writeUInt16BE(8 + payload.length, 4);
  header.writeUInt8(44, 6);
  return Buffer.concat([header, Buffer.from([packet[6]!, 0]), be16(1, 0, 7), payload]);
}

/** RFC 4861: `address` is at `mac`, replacing former knowledge. */
export function neighbourAdvertisement(mac: string, address: string, from = address): Buffer {
  const option = Buffer.concat([Buffer.from([2, 1]), macBytes(mac)]);
  const body = Buffer.concat([Buffer.from([0x20, 0, 0, 0]), ipBytes(address), option]);
  return icmp6(from, "ff02::1", 136, body);
}

/** RFC 4862: a node checks whether `address` is in use. */
export function duplicateProbe(address: string): Buffer {
  return icmp6("::", "ff02::1", 135, Buffer.concat([Buffer.alloc(4), ipBytes(address)]));
}
