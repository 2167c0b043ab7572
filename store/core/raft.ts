import { assert } from "@raft2kube/std/assert.ts";
import { commitAndBroadcast } from "./commit-broadcast.ts";
import { standForElection, tickFollower } from "./election.ts";
import { tickLeader } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import { voterSets } from "./membership.ts";
import type { Message } from "./message.ts";
import type { RaftOptions, Refusal } from "./options.ts";
import { type Proposed, propose } from "./propose.ts";
import { requestReadIndex } from "./read-index.ts";
import { type HardStates, noteDurable, type Ready, takeReady } from "./ready.ts";
import { applyChange, leaveJointIfDue } from "./reconfigure.ts";
import { noteSnapshot } from "./snapshot.ts";
import { type LeaderState, newState, type RaftState } from "./state.ts";
import { step } from "./step.ts";
import { handOver, requestTransfer } from "./transfer.ts";
import {
  type Entry,
  type HardState,
  type LogBase,
  type MemberId,
  type Membership,
  type MembershipChange,
  NONE,
  type SnapshotMark,
} from "./types.ts";

/** The state that a member recovers from its disk. */
export interface Restored {
  hardState: HardState;
  base: LogBase;
  /** The entries after `base`. */
  entries: Entry[];
  /** The state machine's applied index, and the membership as of it. */
  applied: number;
  membership: Membership;
}

/**
 * One member of the consensus: a state machine without I/O or clock. The caller ticks it, steps
 * messages into it, proposes, and does what `ready()` says. Nothing is asynchronous; nothing is
 * done twice.
 */
export class Raft {
  readonly #state: RaftState;
  readonly #hardStates: HardStates;

  constructor(options: RaftOptions, restored: Restored) {
    const { hardState, membership, applied, base, entries } = restored;
    // Applied entries were committed, regardless of the commit index on disk.
    const committed = Math.max(hardState.commit, applied, base.index);
    const log = new RaftLog(base, entries, committed, applied);
    this.#hardStates = { last: hardState, writing: [] };
    this.#state = newState({
      options,
      id: options.id,
      log,
      term: hardState.term,
      vote: hardState.vote,
      leader: NONE,
      membership,
      voterSets: voterSets(membership),
      electionElapsed: 0,
      electionTimeout: 0,
      applied,
      durableCommit: Math.max(hardState.commit, applied),
      conflicts: new Map(),
      fatal: undefined,
      snapshotIndex: base.index,
      snapshotTerm: base.term,
      snapshotMembership: membership,
      restored: undefined,
      readRound: 0,
      outbox: [],
      outboxAfterPersist: [],
      readAnswers: [],
    });
  }

  /** Returns the member's state, to be read and not changed. */
  get state(): Readonly<RaftState> {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#state.role === "leader";
  }

  /** Returns the state as that of a leader; undefined while this member does not lead. */
  get leading(): Readonly<LeaderState> | undefined {
    return this.#state.role === "leader" ? this.#state : undefined;
  }

  /** One step of time. */
  tick(): void {
    const raft = this.#state;
    if (raft.role === "leader") tickLeader(raft);
    else tickFollower(raft);
  }

  /** Stands for election now, if it may. A sole voter needs no pre-vote. */
  campaign(): void {
    standForElection(this.#state);
  }

  /** Takes a message from a member, or one to itself after its write was durable. */
  step(message: Message): void {
    assert(
      message.to === this.#state.id,
      () => `a message for ${message.to} came to ${this.#state.id}`,
    );
    step(this.#state, message);
  }

  /** Proposes commands to the cluster. */
  propose(commands: Buffer[]): Proposed {
    return propose(this.#state, commands, undefined);
  }

  proposeChange(change: MembershipChange): Proposed {
    return propose(this.#state, [], change);
  }

  /** Asks for a safe read index; the answer comes in `ready().reads` under this id. */
  requestReadIndex(readId: number): Refusal | undefined {
    return requestReadIndex(this.#state, readId);
  }

  transferLeadership(to: MemberId): Refusal | undefined {
    return requestTransfer(this.#state, to);
  }

  ready(): Ready | undefined {
    return takeReady(this.#state, this.#hardStates);
  }

  /** Write `id` is durable. The leader's own log counts towards the quorum from now on. */
  persisted(id: number): void {
    const raft = this.#state;
    raft.log.writeDone(id);
    noteDurable(raft, this.#hardStates, id);
    if (raft.role !== "leader") return;
    raft.progress.get(raft.id)?.acknowledged(raft.log.persisted);
    commitAndBroadcast(raft);
  }

  /** The state machine has applied everything up to `index`, `bytes` of commands. */
  appliedTo(index: number, bytes: number): void {
    const raft = this.#state;
    assert(index >= raft.applied, () => `applied went back from ${raft.applied} to ${index}`);
    raft.applied = index;
    if (raft.role === "leader") raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - bytes);
    leaveJointIfDue(raft);
  }

  /**
   * Puts a committed change of membership into effect; undefined when it does not fit and is
   * void.
   */
  applyChange(change: MembershipChange): Membership | undefined {
    const raft = this.#state;
    const membership = applyChange(raft, change);
    if (raft.role === "leader") handOver(raft);
    return membership;
  }

  /**
   * The state up to `mark` is durable outside the log: a tail of `keep` entries stays for slow
   * followers.
   */
  compact(mark: SnapshotMark, keep: number): void {
    const raft = this.#state;
    noteSnapshot(raft, mark);
    raft.log.compactTo(Math.max(raft.log.base.index, mark.index - keep));
  }

  /** The transport could not reach `member`: appends to it may be lost. */
  reportUnreachable(member: MemberId): void {
    const progress = this.leading?.progress.get(member);
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  /**
   * A snapshot to `member` has ended, delivered or not; the next append finds out where it stands.
   */
  reportSnapshot(member: MemberId, delivered: boolean): void {
    const progress = this.leading?.progress.get(member);
    if (progress?.state !== "snapshot") return;
    if (!delivered) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    progress.paused = true;
  }
}
