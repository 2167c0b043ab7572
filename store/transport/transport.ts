import type { Message } from "../core/message.ts";
import type { MemberId } from "../core/types.ts";

/** A member and where its peers reach it. */
export type PeerAddress = { id: MemberId; urls: string[] };

/** Carries messages to other members: unordered, lossy, never blocking. */
export interface Transport {
  send(messages: Message[]): void;
  /** Sets the peers; streams to others end. */
  update(members: PeerAddress[]): void;
  /**
   * Time since which a member answers, in the clock's monotonic milliseconds; undefined when not.
   */
  connectedSince_ms(member: MemberId): number | undefined;
  /** Passes a request on to another member. Rejects with an RpcError. */
  ask(member: MemberId, kind: string, body: Buffer, timeout_ms: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** The transport of a member that listens for no peers: no message can be sent. */
export function soleMemberTransport(): Transport {
  const unreachable = (member: MemberId) => {
    return new RangeError(`no way to member ${member.toString(16)}`);
  };
  return {
    send(messages) {
      const first = messages[0];
      if (first) throw unreachable(first.to);
    },
    update: () => undefined,
    connectedSince_ms: () => undefined,
    ask: (member) => Promise.reject(unreachable(member)),
    close: () => Promise.resolve(),
  };
}
