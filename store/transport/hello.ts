import type { Init } from "@raft2kube/proto/codec.ts";
import type { Hello, Welcome } from "@raft2kube/proto/gen/peer.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { MemberId } from "../core/types.ts";

/** The peer protocols that a release speaks, from the oldest to the newest. */
export type Protocols = { readonly oldest: number; readonly newest: number };

/**
 * The protocol versions of this release. A change that other releases would misread gets a new
 * version; the previous one stays, so that members can be upgraded one after the other.
 */
export const PEER_PROTOCOLS: Protocols = { oldest: 1, newest: 1 };

/** This member's identity in a hello. */
export interface Self {
  protocols: Protocols;
  clusterId: bigint;
  memberId: MemberId;
  peerURLs: () => string[];
  /** Whether a member was removed from the cluster: its id never comes back. */
  isRemoved: (member: MemberId) => boolean;
}

export function helloTo(self: Self, to: MemberId): Init<Hello> {
  const { clusterId, memberId: from } = self;
  const { oldest: protocol, newest: newestProtocol } = self.protocols;
  return { protocol, newestProtocol, clusterId, from, to, peerUrls: self.peerURLs() };
}

/** The answer to a hello that was checked. */
export function welcomeOf({ clusterId, memberId }: Self, { protocol }: Greeting): Welcome {
  return { protocol, clusterId, memberId };
}

/** The newest peer protocol that both speak; undefined when there is none. */
function agreed(ours: Protocols, theirs: Protocols): number | undefined {
  const newest = Math.min(ours.newest, theirs.newest);
  return newest >= Math.max(ours.oldest, theirs.oldest) ? newest : undefined;
}

function describe({ oldest, newest }: Protocols): string {
  return oldest === newest ? `peer protocol ${oldest}` : `peer protocols ${oldest} to ${newest}`;
}

/** A valid hello: the peer's id, its address, and the protocol version of the connection. */
export interface Greeting {
  readonly from: MemberId;
  readonly peerUrls: string[];
  readonly protocol: number;
}

const name = (id: bigint) => id.toString(16);

const removedText = (id: bigint) => `member ${name(id)} was removed from the cluster`;

/**
 * Whether a refusal says that this member was removed. Its status alone does not: another program
 * at a peer's address, such as a proxy, may forbid the call.
 */
export function saysRemoved({ memberId }: Self, thrown: unknown): boolean {
  if (!(thrown instanceof RpcError) || thrown.status !== Status.PERMISSION_DENIED) return false;
  return thrown.message === removedText(memberId);
}

/** Throws an RpcError that names what does not fit, for a stream that is not meant for us. */
export function checkHello(self: Self, hello: Hello | undefined): Greeting {
  if (!hello) throw new RpcError(Status.INVALID_ARGUMENT, "a stream begins with a hello");
  const { clusterId, from, to, peerUrls } = hello;
  const refuse = (message: string) => new RpcError(Status.FAILED_PRECONDITION, message);
  const spoken = { oldest: hello.protocol, newest: hello.newestProtocol || hello.protocol };
  const protocol = agreed(self.protocols, spoken);
  if (protocol === undefined) {
    const ours = `this member speaks ${describe(self.protocols)}`;
    throw refuse(`member ${name(from)} speaks ${describe(spoken)}, ${ours}`);
  }
  if (clusterId !== self.clusterId) {
    const ours = `this is member ${name(self.memberId)} of cluster ${name(self.clusterId)}`;
    throw refuse(`member ${name(from)} belongs to cluster ${name(clusterId)}; ${ours}`);
  }
  if (to !== self.memberId) {
    throw refuse(`member ${name(from)} looks for ${name(to)}; this is ${name(self.memberId)}`);
  }
  if (from === self.memberId) {
    throw refuse(`member ${name(from)} is this one: another process runs on a copy of its data`);
  }
  checkNotRemoved(self, from);
  return { from, peerUrls, protocol };
}

export function checkNotRemoved(self: Self, from: MemberId): void {
  if (!self.isRemoved(from)) return;
  throw new RpcError(Status.PERMISSION_DENIED, removedText(from));
}

/** Returns why the process at a member's address is not that member; undefined if it is. */
export function wrongWelcome(self: Self, to: MemberId, welcome: Welcome): string | undefined {
  const { protocol, clusterId, memberId } = welcome;
  const { oldest, newest } = self.protocols;
  if (protocol < oldest || protocol > newest) return `it speaks peer protocol ${protocol}`;
  if (clusterId !== self.clusterId) return `it belongs to cluster ${name(clusterId)}`;
  return memberId === to ? undefined : `it is member ${name(memberId)}`;
}
