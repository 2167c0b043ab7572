import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Timer } from "@raft2kube/std/clock.ts";
import type { Message, SnapshotMessage } from "../core/message.ts";
import type { MemberId } from "../core/types.ts";
import { PEERS_MAX, REMOVED_GRACE_MS } from "../limits.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import type { PeerAddress, Transport } from "./transport.ts";

export interface PeersOptions extends PeerOptions {
  /** Streams a snapshot to a member. */
  sendSnapshot: (message: SnapshotMessage, to: Peer) => void;
}

/** The streams to all other members. */
export class Peers implements Transport {
  readonly #options: PeersOptions;
  readonly #peers = new Map<MemberId, Peer>();
  /**
   * Peers not in our membership yet, but known from their own hello: a new leader may be among
   * them.
   */
  readonly #met = new Map<MemberId, Peer>();
  /**
   * Peers removed from the membership: a leader among them needs answers until it has handed over.
   */
  readonly #leaving = new Map<MemberId, { peer: Peer; timer: Timer }>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  send(messages: Message[]): void {
    for (const message of messages) {
      const peer = this.#find(message.to);
      if (!peer) this.#options.onUnreachable(message.to);
      else if (message.kind === "snapshot") this.#options.sendSnapshot(message, peer);
      else peer.send(message);
    }
  }

  update(members: PeerAddress[]): void {
    const { self } = this.#options;
    const wanted = new Map(members.map((member) => [member.id, member]));
    wanted.delete(self.memberId);
    for (const [id, peer] of this.#peers) {
      if (wanted.has(id)) continue;
      this.#peers.delete(id);
      const timer = this.#options.clock.after(REMOVED_GRACE_MS, () => {
        this.#leaving.delete(id);
        this.#close(peer);
      });
      this.#leaving.set(id, { peer, timer });
    }
    for (const [id, member] of wanted) {
      const known = this.#peers.get(id) ?? this.#met.get(id);
      this.#met.delete(id);
      const peer = known ?? new Peer(member, this.#options);
      peer.urls = member.urls;
      this.#peers.set(id, peer);
    }
    for (const [id, peer] of this.#met) if (self.isRemoved(id)) this.#forget(id, peer);
  }

  /** Another member opened a stream to this one. */
  met(member: PeerAddress): void {
    const known = this.#peers.has(member.id) || this.#met.has(member.id);
    if (known || this.#met.size >= PEERS_MAX) return;
    this.#met.set(member.id, new Peer(member, this.#options));
  }

  connectedSince_ms(member: MemberId): number | undefined {
    return this.#peers.get(member)?.connectedSince_ms;
  }

  async ask(member: MemberId, kind: string, body: Buffer, timeout_ms: number): Promise<Buffer> {
    const peer = this.#find(member);
    if (peer !== undefined) return peer.ask(kind, body, timeout_ms);
    throw new RpcError(Status.UNAVAILABLE, `no way to member ${member.toString(16)}`);
  }

  async close(): Promise<void> {
    for (const peer of [...this.#peers.values(), ...this.#met.values()]) this.#close(peer);
    for (const { peer, timer } of this.#leaving.values()) {
      timer.cancel();
      this.#close(peer);
    }
    this.#leaving.clear();
    this.#peers.clear();
    this.#met.clear();
    await Promise.all(this.#closing);
  }

  #find(id: MemberId): Peer | undefined {
    return this.#peers.get(id) ?? this.#met.get(id) ?? this.#leaving.get(id)?.peer;
  }

  #forget(id: MemberId, peer: Peer): void {
    this.#met.delete(id);
    this.#close(peer);
  }

  #close(peer: Peer): void {
    const closing = peer.close();
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}
