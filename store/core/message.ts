import type { Entry, MemberId, MembershipChange, SnapshotMark } from "./types.ts";

interface Envelope {
  from: MemberId;
  to: MemberId;
  /** The sender's term; a pre-vote carries the term it would campaign in. */
  term: number;
}

/**
 * The sender's commit index. A member with the same entry may adopt it: during a membership change
 * the only member that knows it may be one that can no longer lead.
 */
export type CommitNews = { commit: number; commitTerm: number };

/**
 * RequestVote (Raft section 5.2); `pre` asks without disturbing anyone (dissertation section
 * 9.6).
 */
export interface VoteMessage extends Envelope, CommitNews {
  kind: "vote";
  pre: boolean;
  lastIndex: number;
  lastTerm: number;
  /** Whether a leader handed over: voters then ignore the lease of that leader. */
  transfer: boolean;
}

export interface VoteReplyMessage extends Envelope, CommitNews {
  kind: "vote-reply";
  pre: boolean;
  granted: boolean;
}

/** AppendEntries (Raft section 5.3). */
export interface AppendMessage extends Envelope {
  kind: "append";
  prevIndex: number;
  prevTerm: number;
  entries: Entry[];
  commit: number;
}

export interface AppendReplyMessage extends Envelope {
  kind: "append-reply";
  /** The last index known equal; of a rejection the `prevIndex` that did not match. */
  index: number;
  reject: boolean;
  /** When rejected: the largest entry at which the logs may agree, and its term. */
  hintIndex: number;
  hintTerm: number;
}

export interface HeartbeatMessage extends Envelope {
  kind: "heartbeat";
  commit: number;
  /** The read attempt this round confirms, 0 for none. */
  readId: number;
}

export interface HeartbeatReplyMessage extends Envelope, CommitNews {
  kind: "heartbeat-reply";
  readId: number;
}

/** The receiver's log ends before the leader's starts: it needs the state at `mark`. */
export interface SnapshotMessage extends Envelope {
  kind: "snapshot";
  mark: SnapshotMark;
}

/** A follower passes its clients' proposals on. */
export interface ProposeMessage extends Envelope {
  kind: "propose";
  data: Buffer[];
  change: MembershipChange | undefined;
}

/** A follower asks for a safe read index (dissertation section 6.4). */
export interface ReadMessage extends Envelope {
  kind: "read";
  readId: number;
}

export interface ReadReplyMessage extends Envelope {
  kind: "read-reply";
  readId: number;
  index: number;
}

/** A follower passes on a request to hand the leadership to `transferee`. */
export interface TransferMessage extends Envelope {
  kind: "transfer";
  transferee: MemberId;
}

/** The leader asks its successor to campaign immediately (dissertation section 3.10). */
export interface TimeoutNowMessage extends Envelope {
  kind: "timeout-now";
}

export type Message =
  | VoteMessage
  | VoteReplyMessage
  | AppendMessage
  | AppendReplyMessage
  | HeartbeatMessage
  | HeartbeatReplyMessage
  | SnapshotMessage
  | ProposeMessage
  | ReadMessage
  | ReadReplyMessage
  | TransferMessage
  | TimeoutNowMessage;

/** A message before the core has filled in `from` and `term`. */
export type Draft = Message extends infer M
  ? M extends Message
    ? Omit<M, "from" | "term"> & { term?: number }
    : never
  : never;
