import type { CodedError } from "@raft2kube/std/errors.ts";
import { randomInteger } from "@raft2kube/std/random.ts";
import { Inflights } from "./inflights.ts";
import type { VoterSets } from "./joint.ts";
import type { RaftLog } from "./log.ts";
import { everyMember, voterSets } from "./membership.ts";
import type { Draft, Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { ReadQueue } from "./read-queue.ts";
import {
  type CommitConflict,
  type MemberId,
  type Membership,
  NONE,
  type SnapshotMark,
} from "./types.ts";

/**
 * A read whose index is now safe: the state machine must have applied `index` before it answers.
 */
export type ReadAnswer = { readId: number; index: number };

/** The state of a member in any role. */
interface MemberState {
  readonly options: RaftOptions;
  readonly id: MemberId;
  readonly log: RaftLog;
  term: number;
  vote: MemberId;
  leader: MemberId;
  membership: Membership;
  voterSets: VoterSets;
  /** Ticks since the last message of the leader; a leader's, since it last checked its quorum. */
  electionElapsed: number;
  /** Ticks until this member campaigns, drawn at each change to follower or candidate. */
  electionTimeout: number;
  /** Index that the state machine has applied, as it reported. */
  applied: number;
  /** The commit index that this member's disk knows of. */
  durableCommit: number;
  /** Commits of other members that contradict this one's, by member; cleared with a leader. */
  conflicts: Map<MemberId, CommitConflict>;
  /** Why this member must end, once the messages that are ready have left. */
  fatal: CodedError | undefined;
  /** The newest snapshot that can be sent to a follower, as the state machine reported. */
  snapshotIndex: number;
  snapshotTerm: number;
  snapshotMembership: Membership;
  /** A snapshot taken over from the leader, to be recorded in the log with the next write. */
  restored: SnapshotMark | undefined;
  /** The number of the last round of heartbeats that confirms a read; never used twice. */
  readRound: number;
  /**
   * Messages that may leave now, and those that must wait until the state that they promise is
   * durable.
   */
  outbox: Message[];
  outboxAfterPersist: Message[];
  readAnswers: ReadAnswer[];
}

export interface FollowerState extends MemberState {
  role: "follower";
}

/** A member that asks whether others would vote for it (dissertation section 9.6). */
export interface PreCandidateState extends MemberState {
  role: "pre-candidate";
  /** Answers to the ballot under way. */
  votes: Map<MemberId, boolean>;
}

/** A member that asks for votes in its term. */
export interface CandidateState extends MemberState {
  role: "candidate";
  votes: Map<MemberId, boolean>;
}

export interface LeaderState extends MemberState {
  role: "leader";
  /** The state of each member's log, this one's included. */
  progress: Map<MemberId, Progress>;
  heartbeatElapsed: number;
  /** The member that the leadership is being transferred to. */
  transferee: MemberId;
  /** No membership change is taken before the entry at this index is applied. */
  pendingChangeIndex: number;
  uncommittedBytes: number;
  reads: ReadQueue;
}

/**
 * The state of one member of the consensus, by its role. The files of this folder (election,
 * replication, heartbeat, ...) are functions over it; `Raft` is its interface. Invariant: it is
 * one object from start to end, which only `becomeFollower`, `becomePreCandidate`,
 * `becomeCandidate` and `becomeLeader` give another role.
 */
export type RaftState = FollowerState | PreCandidateState | CandidateState | LeaderState;
export type Role = RaftState["role"];

/** The fields of some roles only. A role without a field has it undefined. */
type RoleFields = Omit<LeaderState & CandidateState, keyof MemberState | "role">;
const NO_FIELDS: Record<keyof RoleFields, undefined> = {
  votes: undefined,
  progress: undefined,
  heartbeatElapsed: undefined,
  transferee: undefined,
  pendingChangeIndex: undefined,
  uncommittedBytes: undefined,
  reads: undefined,
};

/** Returns the state of a member that starts: a follower without a leader. */
export function newState(state: MemberState): RaftState {
  // All fields of all roles from the start: the object keeps its shape.
  const raft = { ...state, role: "follower", ...NO_FIELDS } as unknown as RaftState;
  becomeFollower(raft, state.term, NONE);
  return raft;
}

/** Queues a message that may leave immediately. */
export function send(raft: RaftState, draft: Draft): void {
  raft.outbox.push({ ...draft, from: raft.id, term: draft.term ?? raft.term } as Message);
}

/** Queues a message that promises something not yet on disk: a vote, an acknowledged append. */
export function sendAfterPersist(raft: RaftState, draft: Draft): void {
  const message = { ...draft, from: raft.id, term: draft.term ?? raft.term } as Message;
  raft.outboxAfterPersist.push(message);
}

export function isVoter(raft: RaftState, member: MemberId): boolean {
  return raft.voterSets.voters.has(member) || raft.voterSets.outgoing.has(member);
}

/** Whether this member alone decides. */
export function isSoleVoter(raft: RaftState): boolean {
  const { voters, outgoing } = raft.voterSets;
  return voters.size === 1 && outgoing.size === 0 && voters.has(raft.id);
}

/** Starts a round of elections: enters `term`, and draws another timeout. */
function enterTerm(raft: RaftState, term: number): void {
  if (raft.term !== term) {
    raft.term = term;
    raft.vote = NONE;
  }
  raft.leader = NONE;
  raft.electionElapsed = 0;
  raft.electionTimeout = randomElectionTimeout(raft.options);
}

/** Steps down, or follows `leader` where the message came from one. */
export function becomeFollower(raft: RaftState, term: number, leader: MemberId): void {
  // A leader had a majority's votes: a member that contradicts it is itself wrong.
  if (raft.role === "leader") forgetConflict(raft);
  enterTerm(raft, term);
  raft.leader = leader;
  Object.assign(raft, NO_FIELDS, { role: "follower" });
}

/**
 * Starts to ask for pre-votes. Changes neither term nor vote, so that a member cut off disturbs no
 * other on its return.
 */
export function becomePreCandidate(raft: RaftState): void {
  // lab:03 begin become-pre-candidate
  Object.assign(raft, NO_FIELDS, { role: "pre-candidate", votes: new Map() });
  raft.leader = NONE;
  raft.electionElapsed = 0;
  // lab:03 end
}

/** Enters the next term as a candidate, and votes for itself. */
export function becomeCandidate(raft: RaftState): void {
  // lab:03 begin become-candidate
  enterTerm(raft, raft.term + 1);
  Object.assign(raft, NO_FIELDS, { role: "candidate", votes: new Map() });
  raft.vote = raft.id;
  // lab:03 end
}

/** Makes the candidate the leader of its term. Nothing is known of the others' logs. */
export function becomeLeader(raft: CandidateState): LeaderState {
  enterTerm(raft, raft.term);
  raft.leader = raft.id;
  forgetConflict(raft);
  const leader = raft as MemberState as LeaderState;
  Object.assign(leader, NO_FIELDS, {
    role: "leader",
    progress: new Map(),
    heartbeatElapsed: 0,
    transferee: NONE,
    // Changes in the log may not be applied yet: take none before all that is here is.
    pendingChangeIndex: raft.log.lastIndex,
    uncommittedBytes: 0,
    reads: new ReadQueue(raft.options.pendingReads_max),
  });
  for (const member of everyMember(leader.membership)) {
    leader.progress.set(member, newProgress(leader, member));
  }
  const own = leader.progress.get(leader.id);
  if (own) own.match = leader.log.persisted;
  own?.becomeReplicate();
  return leader;
}

/**
 * Draws a timeout from `electionTicks` up to, not including, twice as many (Raft section 5.2).
 */
export function randomElectionTimeout(options: RaftOptions): number {
  // lab:03 begin random-election-timeout
  return randomInteger(options.random, options.electionTicks, 2 * options.electionTicks);
  // lab:03 end
}

function newProgress(raft: LeaderState, member: MemberId): Progress {
  const { inflightAppends_max, inflightBytes_max } = raft.options;
  const inflights = new Inflights(inflightAppends_max, inflightBytes_max);
  return new Progress(raft.log.lastIndex + 1, !isVoter(raft, member), inflights);
}

/** Takes a membership as it is. A leader forgets the members that left, and tracks the new ones. */
export function adoptMembership(raft: RaftState, membership: Membership): void {
  raft.membership = membership;
  raft.voterSets = voterSets(membership);
  if (raft.role !== "leader") return;
  const members = new Set(everyMember(membership));
  for (const member of raft.progress.keys()) {
    if (!members.has(member)) raft.progress.delete(member);
  }
  for (const member of members) {
    const known = raft.progress.get(member);
    if (known) {
      known.learner = !isVoter(raft, member);
      continue;
    }
    const progress = newProgress(raft, member);
    // Counted as alive at first, else the check of the quorum could depose the leader that added
    // it.
    progress.recentActive = true;
    raft.progress.set(member, progress);
  }
}

/** Forgets conflicts: a new leader's log is what this one is compared with from now on. */
export function forgetConflict(raft: RaftState): void {
  raft.conflicts.clear();
}
