import type { CodedError } from "@raft2kube/std/errors.ts";
import { randomInteger } from "@raft2kube/std/random.ts";
import type { CommitConflict } from "./conflict.ts";
import { Inflights } from "./inflights.ts";
import type { VoterSets } from "./joint.ts";
import type { RaftLog } from "./log.ts";
import { everyMember } from "./membership.ts";
import type { Draft, Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { ReadQueue } from "./read-queue.ts";
import { type MemberId, type Membership, NONE, type SnapshotMark } from "./types.ts";

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/**
 * A read whose index is now safe: the state machine must have applied `index` before it answers.
 */
export interface ReadAnswer {
  readId: number;
  index: number;
}

/**
 * All that a member of the consensus knows. The rooms of this folder (election, replication,
 * heartbeat, ...) are functions over it; `Raft` is the door.
 */
export interface RaftState {
  readonly options: RaftOptions;
  readonly id: MemberId;
  readonly log: RaftLog;
  role: Role;
  term: number;
  vote: MemberId;
  leader: MemberId;
  membership: Membership;
  voterSets: VoterSets;
  /**
   * The leader's view of everyone; kept by others too, so that a change of role needs no lookup.
   */
  progress: Map<MemberId, Progress>;
  /** Answers to the ballot under way. */
  votes: Map<MemberId, boolean>;
  electionElapsed: number;
  heartbeatElapsed: number;
  /** This round's randomized election timeout, in ticks. */
  electionTimeout: number;
  /** Whom the leadership is being handed to. */
  transferee: MemberId;
  /** No membership change is taken before this slot is applied. */
  pendingChangeIndex: number;
  /** Applied by the state machine, as it reported. */
  applied: number;
  uncommittedBytes: number;
  /** The commit index that this member's disk knows of. */
  durableCommit: number;
  /** What others have committed that contradicts this member, by them; forgotten with a leader. */
  conflicts: Map<MemberId, CommitConflict>;
  /** Why this member must end, once the messages that are ready have left. */
  fatal: CodedError | undefined;
  /** The newest snapshot that can be sent to a follower, as the state machine reported. */
  snapshotIndex: number;
  snapshotTerm: number;
  snapshotMembership: Membership;
  /** A snapshot taken over from the leader, to be recorded in the log with the next write. */
  restored: SnapshotMark | undefined;
  reads: ReadQueue;
  /** The number of the last round of heartbeats that confirms a read; never used twice. */
  readRound: number;
  /** Messages that may leave now, and those that must wait until what they promise is durable. */
  outbox: Message[];
  outboxAfterPersist: Message[];
  readAnswers: ReadAnswer[];
}

/** Queues a message that may leave at once. */
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

/** Common to every change of term or role. */
export function reset(raft: RaftState, term: number): void {
  if (raft.term !== term) {
    raft.term = term;
    raft.vote = NONE;
  }
  raft.leader = NONE;
  raft.electionElapsed = 0;
  raft.heartbeatElapsed = 0;
  raft.electionTimeout = randomElectionTimeout(raft.options);
  raft.transferee = NONE;
  raft.votes = new Map();
  raft.pendingChangeIndex = 0;
  raft.uncommittedBytes = 0;
  raft.reads = new ReadQueue(raft.options.pendingReads_max);
  resetProgress(raft);
}

/** Between one and two times `electionTicks`, drawn anew for each round (Raft section 5.2). */
export function randomElectionTimeout(options: RaftOptions): number {
  // lab:03 begin random-election-timeout
  return randomInteger(options.random, options.electionTicks, 2 * options.electionTicks);
  // lab:03 end
}

/** Everyone's position is unknown again, but our own. */
function resetProgress(raft: RaftState): void {
  const next = raft.log.lastIndex + 1;
  raft.progress = new Map();
  for (const member of everyMember(raft.membership)) {
    const progress = newProgress(raft, next, member);
    if (member === raft.id) progress.match = raft.log.persisted;
    raft.progress.set(member, progress);
  }
}

export function newProgress(raft: RaftState, next: number, member: MemberId): Progress {
  const { inflightAppends_max, inflightBytes_max } = raft.options;
  const inflights = new Inflights(inflightAppends_max, inflightBytes_max);
  return new Progress(next, !isVoter(raft, member), inflights);
}

/** Steps down, or follows: with a leader's name when the message came from one. */
export function becomeFollower(raft: RaftState, term: number, leader: MemberId): void {
  // A leader had a majority behind it: what contradicts it is the other member's to end with.
  if (raft.role === "leader") forgetConflict(raft);
  reset(raft, term);
  raft.role = "follower";
  raft.leader = leader;
}

/** A leader is there: it is compared with that one from now on. */
export function forgetConflict(raft: RaftState): void {
  raft.conflicts.clear();
}
