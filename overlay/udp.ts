import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { closeSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import type { Subnet } from "@raft2kube/cni/lib/ip.ts";
import { openTun } from "@raft2kube/linux/netlink/tun.ts";
import { adoptDuplicate, bindUdp } from "@raft2kube/linux/socket/socket.ts";
import { asError, isErrno } from "@raft2kube/std/errors.ts";
import type { OverlayNetwork } from "./apply.ts";
import { UDP_SENDS_MAX } from "./limits.ts";
import type { Tunnel } from "./plan.ts";

const IPV4_HEADER_BYTES = 20;

/** Ranges, with the node to which packets for one are sent, and which may send packets from it. */
export class RangeTable {
  /** A table for each prefix length in use, the longest first: network number to address. */
  #tables: { hostBits: number; addresses: Map<number, string> }[] = [];

  set(peers: readonly { range: Subnet; address: string }[]): void {
    const tables = new Map<number, Map<number, string>>();
    for (const { range, address } of peers) {
      const table = tables.get(range.prefix) ?? new Map<number, string>();
      table.set(Number(range.network >> BigInt(32 - range.prefix)), address);
      tables.set(range.prefix, table);
    }
    this.#tables = [...tables]
      .sort(([one], [other]) => other - one)
      .map(([prefix, addresses]) => ({ hostBits: 32 - prefix, addresses }));
  }

  /** The node that has an address, given as a number. */
  nodeOf(address: number): string | undefined {
    for (const { hostBits, addresses } of this.#tables) {
      const found = addresses.get(Math.floor(address / 2 ** hostBits));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/**
 * Carries packets between the tunnel's link and UDP, as flannel's UDP back end: a datagram is one
 * IPv4 packet. A packet from another node has to have a source of that node's range.
 */
export class UdpRelay {
  readonly #tun: number;
  readonly #reader: Socket;
  readonly #udp: UdpSocket;
  readonly #port: number;
  readonly #ranges = new RangeTable();
  readonly #end: (error: Error) => void;
  #sending = 0;
  #ended = false;

  /** Makes the link; `onEnd` is called when it or the socket fails, and the relay has ended. */
  constructor(network: OverlayNetwork, tunnel: Tunnel, onEnd: (error: Error) => void) {
    const { name, local, port } = tunnel;
    this.#port = port;
    this.#end = (error) => {
      if (this.#ended) return;
      this.close();
      onEnd(error);
    };
    this.#tun = network.inside(() => openTun(name));
    let udp: number;
    try {
      udp = network.inside(() => bindUdp(local, port));
    } catch (thrown) {
      closeSync(this.#tun);
      throw thrown;
    }
    this.#reader = adoptDuplicate(this.#tun, { readable: true });
    this.#reader.on("data", (packet: Buffer) => this.#send(packet));
    this.#reader.on("error", this.#end);
    this.#udp = createSocket("udp4");
    this.#udp.on("message", (packet, from) => this.#receive(packet, from));
    this.#udp.on("error", this.#end);
    this.#udp.bind({ fd: udp });
    this.set(tunnel);
  }

  /** Takes over the other nodes' ranges and addresses. */
  set({ peers }: Tunnel): void {
    this.#ranges.set(peers);
  }

  #send(packet: Buffer): void {
    if (packet.length < IPV4_HEADER_BYTES || packet[0]! >> 4 !== 4) return;
    const address = this.#ranges.nodeOf(packet.readUInt32BE(16));
    // Dropped as by a link whose queue is full: the sender's protocol sends again.
    if (address === undefined || this.#sending >= UDP_SENDS_MAX) return;
    this.#sending++;
    this.#udp.send(packet, this.#port, address, () => {
      this.#sending--;
    });
  }

  #receive(packet: Buffer, { address, port }: RemoteInfo): void {
    if (packet.length < IPV4_HEADER_BYTES || packet[0]! >> 4 !== 4 || port !== this.#port) return;
    if (this.#ranges.nodeOf(packet.readUInt32BE(12)) !== address) return;
    if (this.#ended) return;
    try {
      writeSync(this.#tun, packet);
    } catch (thrown) {
      // Garbage after a valid header, or the link is down: dropped.
      if (!isErrno(thrown, "EINVAL", "EIO", "EAGAIN")) this.#end(asError(thrown));
    }
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.destroy();
    this.#udp.close();
    closeSync(this.#tun);
  }
}
