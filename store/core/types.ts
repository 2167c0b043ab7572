/** A member's id, 64 bits. */
export type MemberId = bigint;

/** No member: no vote given, no leader known. */
export const NONE: MemberId = 0n;

/**
 * Voters and learners. During a joint change majorities of both `voters` and `outgoing` must agree.
 */
export interface Membership {
  voters: MemberId[];
  /** The old voters while a joint change is under way, else empty. */
  outgoing: MemberId[];
  learners: MemberId[];
  /** Outgoing voters that become learners once the joint change is left. */
  learnersNext: MemberId[];
  /** Whether the leader leaves the joint configuration by itself once it is applied. */
  autoLeave: boolean;
}

/** One step of a membership change. `remove` of an absent member does nothing. */
export type MembershipStep = { action: "add-voter" | "add-learner" | "remove"; member: MemberId };

/**
 * A membership change carried by a log entry. One voter at a time may change simply; more need
 * `joint` (dissertation section 4.3). An empty list of steps leaves a joint configuration.
 */
export interface MembershipChange {
  steps: MembershipStep[];
  /**
   * `auto`: joint when more than one voter changes; `explicit`: joint until left by an empty
   * change.
   */
  transition: "auto" | "implicit" | "explicit";
  /** Opaque to Raft: the application's description of the member. */
  context: Buffer;
}

/** One entry of the replicated log. Treated as frozen. */
export interface Entry {
  index: number;
  term: number;
  /** The command; empty in the entry a leader starts its term with. */
  data: Buffer;
  /** The change, if the entry changes the membership. */
  change: MembershipChange | undefined;
}

/** Raft's persistent state: durable before any message that depends on it is sent. */
export type HardState = { term: number; vote: MemberId; commit: number };

/** A point of the log whose effects are durable elsewhere. */
export type SnapshotMark = { index: number; term: number; membership: Membership };

/**
 * Another member has committed an entry of `term` at `index`, and this one an entry of another
 * term: two majorities have decided apart, and state machine safety (Raft figure 3) is broken.
 */
export type CommitConflict = { member: MemberId; index: number; term: number };

/** The last entry before the log starts. */
export type LogBase = { index: number; term: number };
