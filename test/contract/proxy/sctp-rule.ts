import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addressBytes, addressText } from "@raft2kube/linux/socket/address-bytes.ts";
import { adoptDescriptor } from "@raft2kube/linux/socket/socket.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { AF_INET, O_CLOEXEC } from "@raft2kube/linux/syscall/numbers.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { ADDRESSES } from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { clock, freshPort, serve, TWO, WAIT_MS } from "./steps.ts";
import type { Rule } from "./suite.ts";

// SCTP by raw sockets: the kernel translates its packets also where it has no SCTP of its own.

const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const IPPROTO_SCTP = 132;
const INIT = 1;
const INIT_ACK = 2;
const TAG = 0x1234_5678;

/** The first packets of an association (RFC 9260, 3.1 and 3.3). */
type Packet = { type: number; from: number; to: number; tag: number };

function encode({ type, from, to, tag }: Packet): Buffer {
  // An acknowledgement carries a cookie.
  const cookie = type === INIT_ACK ? [0, 7, 0, 8, 1, 2, 3, 4] : [];
  const packet = Buffer.alloc(32 + cookie.length);
  packet.writeUInt16BE(from, 0);
  packet.writeUInt16BE(to, 2);
  packet.writeUInt32BE(tag, 4);
  packet[12] = type;
  packet.writeUInt16BE(20 + cookie.length, 14);
  packet.writeUInt32BE(TAG, 16); // the tag of packets to this side
  packet.writeUInt32BE(65_535, 20); // its window
  packet.set([0, 1, 0, 1], 24); // streams out and in
  packet.writeUInt32BE(1, 28); // its first sequence number
  packet.set(cookie, 32);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

/** Decodes what a raw socket received, whose packets start with the IP header. */
function decode(bytes: Buffer): Packet & { source: string } {
  const packet = bytes.subarray((bytes[0]! & 0xf) * 4);
  return {
    source: addressText(bytes.subarray(12, 16)),
    from: packet.readUInt16BE(0),
    to: packet.readUInt16BE(2),
    tag: packet.readUInt32BE(4),
    type: packet[12]!,
  };
}

/** A raw socket in a namespace; with `peer` it exchanges packets with that address alone. */
function rawSocket(netns: string, peer?: string): Socket {
  return inNetns(netns, () => {
    const type = SOCK_RAW | SOCK_NONBLOCK | O_CLOEXEC;
    const fd = check("socket", libc.socket(AF_INET, type, IPPROTO_SCTP), "raw, of SCTP");
    if (peer !== undefined) {
      const address = Buffer.alloc(16);
      address.writeUInt16LE(AF_INET);
      addressBytes(peer).copy(address, 4);
      check("connect", libc.connect(fd, address, address.length), peer);
    }
    return adoptDescriptor(fd);
  });
}

/** Acknowledges what comes to a port in a namespace; `clients` has the sources. */
export function serveSctp(netns: string, port: number) {
  const clients: string[] = [];
  const replies: Socket[] = [];
  const socket = rawSocket(netns).on("data", (bytes: Buffer) => {
    const { type, source, from, to } = decode(bytes);
    if (type !== INIT || to !== port) return;
    clients.push(source);
    const reply = rawSocket(netns, source);
    replies.push(reply);
    reply.write(encode({ type: INIT_ACK, from: to, to: from, tag: TAG }));
  });
  const close = () => [socket, ...replies].forEach((one) => one.destroy());
  return { clients, close };
}

/** Sends an INIT from a namespace. */
export function sendInit(netns: string, address: string, port: number): void {
  const socket = rawSocket(netns, address);
  socket.end(encode({ type: INIT, from: freshPort(), to: port, tag: 0 }));
}

/**
 * Sends an INIT from a namespace until one is acknowledged by the address and port it went to. Each
 * has a port of its own: the kernel remembers that the first ones were not translated. A refusal,
 * reported by `refused`, ends the socket; the next INIT comes from another.
 */
export async function ask(
  netns: string,
  address: string,
  port: number,
  refused = () => {},
): Promise<void> {
  const sent = new Set<number>();
  let isAcknowledged = false;
  const open = () =>
    rawSocket(netns, address).on("data", (bytes: Buffer) => {
      const { type, source, from: answering, to } = decode(bytes);
      const isReply = source === address && answering === port && sent.has(to);
      isAcknowledged ||= type === INIT_ACK && isReply;
    });
  let socket = open();
  try {
    await waitFor(
      `${address}:${port} to answer by SCTP`,
      () => {
        if (isAcknowledged) return true;
        if (socket.destroyed) {
          refused();
          socket = open();
        }
        const from = freshPort();
        sent.add(from);
        socket.write(encode({ type: INIT, from, to: port, tag: 0 }));
        return false;
      },
      { clock, timeout_ms: WAIT_MS },
    );
  } finally {
    socket.destroy();
  }
}

/** One more rule of the contract, where the kernel answers no packets of SCTP itself. */
export const SCTP: Rule = {
  name: "SCTP is translated both ways",
  async run({ one, two, outside }, served) {
    const [ip, target] = ["10.96.3.6", 9_000];
    const server = serveSctp(two.netns, target);
    const wish = { name: "sctp", ip, protocol: "sctp", targetPort: target } as const;
    const { promise: refusal, resolve: refused } = Promise.withResolvers<void>();
    // A proxy may know the Service before its endpoints, and refuse until then.
    await serve(served, { ...wish, endpoints: [] });
    const asked = ask(one.netns, ip, 80, refused);
    try {
      await Promise.race([refusal, asked]);
      await serve(served, { ...wish, endpoints: [TWO] });
      await asked;
      for (const [agent, source] of [
        [one, ADDRESSES.one],
        [outside, ADDRESSES.gateway],
      ] as const) {
        server.clients.length = 0;
        await ask(agent.netns, ip, 80);
        assert.deepEqual([...new Set(server.clients)], [source]);
      }
    } finally {
      server.close();
    }
  },
};
