import type { Init } from "@raft2kube/proto/codec.ts";
import type { Hello, Welcome } from "@raft2kube/proto/gen/peer.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { MemberId } from "../core/types.ts";

/** The version of the peer protocol. A change that old members would misread raises it. */
export const PEER_PROTOCOL = 1;

/** Who this member is, to others. */
export interface Self {
  clusterId: bigint;
  memberId: MemberId;
  peerURLs: () => string[];
  /** Whether a member was removed from the cluster: its id never comes back. */
  isRemoved: (member: MemberId) => boolean;
}

export function helloTo(self: Self, to: MemberId): Init<Hello> {
  const { clusterId, memberId: from } = self;
  return { protocol: PEER_PROTOCOL, clusterId, from, to, peerUrls: self.peerURLs() };
}

export function welcomeOf({ clusterId, memberId }: Self): Welcome {
  return { protocol: PEER_PROTOCOL, clusterId, memberId };
}

const name = (id: bigint) => id.toString(16);

/** The status that tells a member that it was removed, and nothing else. */
export const REMOVED_STATUS = Status.PERMISSION_DENIED;

/** Throws an RpcError that names what does not fit, for a stream that is not meant for us. */
export function checkHello(self: Self, hello: Hello | undefined): Hello {
  if (!hello) throw new RpcError(Status.INVALID_ARGUMENT, "a stream begins with a hello");
  const { protocol, clusterId, from, to } = hello;
  const refuse = (message: string) => new RpcError(Status.FAILED_PRECONDITION, message);
  if (protocol !== PEER_PROTOCOL) {
    const ours = `this member speaks ${PEER_PROTOCOL}`;
    throw refuse(`member ${name(from)} speaks peer protocol ${protocol}, ${ours}`);
  }
  if (clusterId !== self.clusterId) {
    const ours = `this is member ${name(self.memberId)} of cluster ${name(self.clusterId)}`;
    throw refuse(`member ${name(from)} belongs to cluster ${name(clusterId)}; ${ours}`);
  }
  if (to !== self.memberId) {
    throw refuse(`member ${name(from)} looks for ${name(to)}; this is ${name(self.memberId)}`);
  }
  checkNotRemoved(self, from);
  return hello;
}

export function checkNotRemoved(self: Self, from: MemberId): void {
  if (!self.isRemoved(from)) return;
  throw new RpcError(REMOVED_STATUS, `member ${name(from)} was removed from the cluster`);
}

/** What is wrong with who answered at a member's address; undefined when it is that member. */
export function wrongWelcome(self: Self, to: MemberId, welcome: Welcome): string | undefined {
  const { protocol, clusterId, memberId } = welcome;
  if (protocol !== PEER_PROTOCOL) return `it speaks peer protocol ${protocol}`;
  if (clusterId !== self.clusterId) return `it belongs to cluster ${name(clusterId)}`;
  return memberId === to ? undefined : `it is member ${name(memberId)}`;
}
