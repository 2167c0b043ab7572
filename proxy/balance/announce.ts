import { isIPv4 } from "node:net";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { getLink, type Link, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import {
  ARP,
  type ArpPacket,
  type ArpSocket,
  BROADCAST,
  openArp,
} from "@raft2kube/linux/socket/arp.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { ANNOUNCE_MS_MIN } from "../limits.ts";

/**
 * Answers ARP for addresses on a link, in the network namespace where `set` is called first, as
 * MetalLB's layer 2 does. It announces them (RFC 5227, 3), so that neighbours replace the former
 * node's hardware address: when they are new, each time they are set, as this node's link
 * may have been down meanwhile, and after a claim of another machine, which is logged. The kernel
 * does not know the addresses: they are answered for only while this process lives.
 */
export class Announcer {
  /** When each address was last announced. */
  readonly #announced_ms = new Map<string, number>();
  readonly #on: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #socket: ArpSocket | undefined;

  /** `on`: the link, by its name or an IPv4 address that it has. */
  constructor({ on, clock, log }: { on: string; clock: Clock; log: Logger }) {
    this.#on = on;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Sets the addresses of this node; called again every few seconds. The link is open while there
   * are some; one that went away is opened again. Throws while there is no such link.
   */
  set(addresses: readonly string[]): void {
    const wanted = new Set(addresses.filter(isIPv4));
    for (const address of this.#announced_ms.keys()) {
      if (!wanted.has(address)) this.#announced_ms.delete(address);
    }
    if (wanted.size === 0) return this.close();
    if (!this.#socket || this.#socket.closed) {
      this.#socket = openArp(linkOf(this.#on), (packet) => this.#receive(packet));
    }
    for (const address of wanted) this.#announce(address);
  }

  #receive({ operation, sender, target }: ArpPacket): void {
    const { mac = "" } = this.#socket ?? {};
    const isClaim = this.#announced_ms.has(sender.ip) && sender.mac !== mac;
    if (isClaim && this.#announce(sender.ip)) {
      const claim = { address: sender.ip, mac: sender.mac };
      this.#log.warn("another machine claims a load balancer's address", claim);
    }
    if (isClaim || operation !== ARP.REQUEST || !this.#announced_ms.has(target.ip)) return;
    const own = { mac, ip: target.ip };
    this.#send(sender.mac, { operation: ARP.REPLY, sender: own, target: sender });
  }

  /** Announces an address; returns false if that was done less than ANNOUNCE_MS_MIN ago. */
  #announce(ip: string): boolean {
    const now_ms = this.#clock.monotonic();
    if (now_ms - (this.#announced_ms.get(ip) ?? -Infinity) < ANNOUNCE_MS_MIN) return false;
    this.#announced_ms.set(ip, now_ms);
    const own = { mac: this.#socket?.mac ?? "", ip };
    this.#send(BROADCAST, { operation: ARP.REQUEST, sender: own, target: own });
    return true;
  }

  /** Sends a packet, unless the queue is full or the link down: neighbours ask again. */
  #send(to: string, packet: ArpPacket): void {
    try {
      this.#socket?.send(to, packet);
    } catch (thrown) {
      if (isErrno(thrown, "EAGAIN", "ENOBUFS", "ENETDOWN", "ENXIO")) return;
      this.#log.warn("an ARP packet was not sent", { error: messageOf(thrown) });
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

function linkOf(nameOrAddress: string): Link {
  using route = openRoute();
  if (!isIPv4(nameOrAddress)) return getLink(route, nameOrAddress);
  const has = listAddresses(route).find(({ cidr }) => cidr.startsWith(`${nameOrAddress}/`));
  const link = listLinks(route).find(({ index }) => index === has?.link);
  if (link) return link;
  throw new CodedError("NO_LINK", `no link has the address ${nameOrAddress}`, {
    remedy: "name the link in --announce-load-balancers",
  });
}
