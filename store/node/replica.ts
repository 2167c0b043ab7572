import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { Message } from "../core/message.ts";
import type { Raft } from "../core/raft.ts";
import type { Ready, Write } from "../core/ready.ts";
import type {
  CommitConflict,
  Entry,
  MemberId,
  MembershipChange,
  SnapshotMark,
} from "../core/types.ts";
import {
  APPEND_BYTES_MAX,
  ENTRY_BYTES_MAX,
  HEARTBEAT_TICKS,
  UNFLUSHED_BYTES_MAX,
} from "../limits.ts";
import { apply } from "../mvcc/apply/apply.ts";
import { type Command, isMemberCommand, kindOf, ticketOf } from "../mvcc/apply/command.ts";
import type { Outcome } from "../mvcc/apply/responses.ts";
import type { State } from "../mvcc/state/state.ts";
import type { Transport } from "../transport/transport.ts";
import type { Wal } from "../wal/wal.ts";
import { type LateProposal, type OutcomeCallback, Proposals } from "./proposals.ts";
import { type ReadCallback, Reads } from "./reads.ts";
import { SnapshotInstalls } from "./snapshot-installs.ts";
import { TimeoutReason } from "./timeout-reason.ts";
import { DEFAULT_TIMING, election_ms, request_ms, type Timing } from "./timing.ts";

type CommandListener = (
  kind: Command["kind"] | undefined,
  took_ms: number,
  success: boolean,
) => void;

export interface ReplicaOptions {
  raft: Raft;
  wal: Wal;
  state: State;
  transport: Transport;
  clock: Clock;
  /** Random, to distinguish this start of the member from earlier ones: below 2^32. */
  session: number;
  /** Called after entries were applied. */
  onApplied: () => void;
  /** Resolves after the next flush of the state. */
  nextFlush: () => Promise<void>;
  /** Called after each command, before its proposer gets the response. */
  onOutcome: (outcome: Outcome) => void;
  /** Called after this member became the leader, or stopped being it. */
  onLeadership: (leads: boolean) => void;
  /** Called after the members or their attributes changed. */
  onMembers: () => void;
  /** Puts a received snapshot, whose record is in the log, in the place of the state. */
  install: (mark: SnapshotMark) => Promise<void>;
  /** Removes a received snapshot that is not installed: a newer one is, or the log has it all. */
  dropSnapshot: (mark: SnapshotMark) => void;
  /** A broken invariant: the member must end. */
  onFatal: (reason: unknown) => void;
  /** Called for each applied command, with its duration, and whether it had an effect. */
  onCommand?: CommandListener | undefined;
  /** Called when a leader's heartbeat went out `late_ms` later than it was due. */
  onLateHeartbeat?: ((late_ms: number) => void) | undefined;
  /** This member leads, and another one has committed what contradicts it. */
  onConflict?: ((conflict: CommitConflict) => void) | undefined;
  /** Called when another member leads than before, as far as this one knows. */
  onLeader?: (() => void) | undefined;
  timing?: Timing | undefined;
  /** The largest command. Default REQUEST_BYTES_MAX. */
  requestBytes_max?: number | undefined;
}

/** One turn of the loop may apply for this long before it lets others run. */
const APPLY_TURN_MS = 10;

/**
 * Drives the core: proposals and reads in, batched per turn of the loop; entries to the log,
 * messages to the transport, committed entries to the state machine, answers out.
 */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #timeoutReason: TimeoutReason;
  readonly timing: Timing;
  /** How long a proposal or a linearizable read may take. */
  readonly request_ms: number;
  #scheduled = false;
  #ticker: Timer | undefined;
  #leads = false;
  readonly #reported = new WeakSet<CommitConflict>();
  #stopped = false;
  #failed = false;
  /** Conditions checked at the end of each turn; each is removed once it returns true. */
  #waits: (() => boolean)[] = [];
  readonly #snapshots: SnapshotInstalls;
  /** Entries committed after a snapshot whose installation is under way. */
  #held: Entry[] = [];

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.timing = options.timing ?? DEFAULT_TIMING;
    this.request_ms = request_ms(this.timing);
    this.#timeoutReason = new TimeoutReason(election_ms(this.timing));
    this.#proposals = new Proposals(options.session, options.requestBytes_max);
    this.#reads = new Reads(options.session * 2 ** 20);
    this.#snapshots = new SnapshotInstalls({
      install: options.install,
      drop: options.dropSnapshot,
      onInstalled: () => this.#installed(),
      onFailed: (reason) => this.fail(reason),
    });
  }

  get raft(): Raft {
    return this.#options.raft;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether it ended with an error, not by `close`. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Snapshots received that are to be put in the place of the state. */
  get installs(): number {
    return this.#snapshots.pending;
  }

  get readMetrics(): { readonly slow: number; readonly failed: number } {
    return this.#reads;
  }

  get pendingProposals(): number {
    return this.#proposals.size;
  }

  /** Starts to tick; a sole member elects itself immediately. */
  start(): void {
    const { raft } = this.#options;
    if (raft.state.voterSets.voters.size === 1) raft.campaign();
    this.#tickLater();
    this.schedule();
  }

  /** Proposes a command; `done` gets its outcome once it is applied here, or a timeout. */
  propose(command: Command, done: OutcomeCallback, timeout_ms = this.request_ms): void {
    if (this.#stopped) return done({ error: etcdError("stopped") });
    const asked_ms = this.#options.clock.monotonic();
    this.#proposals.add(command, { asked_ms, deadline_ms: asked_ms + timeout_ms, done });
    this.schedule();
  }

  /**
   * Proposes a command of the leader's own: it ends with the term, and no other leader gets it.
   */
  proposeInTerm(command: Command, done: OutcomeCallback): void {
    const { raft, clock } = this.#options;
    if (this.#stopped) return done({ error: etcdError("stopped") });
    if (!raft.isLeader) return done({ error: etcdError("notLeader") });
    const asked_ms = clock.monotonic();
    const onlyInTerm = raft.state.term;
    const deadline_ms = asked_ms + this.request_ms;
    this.#proposals.add(command, { asked_ms, deadline_ms, onlyInTerm, done });
    this.schedule();
  }

  /**
   * Calls back when the state is at least as new as at this moment, anywhere in the cluster (S2).
   */
  readBarrier(done: ReadCallback): void {
    if (this.#stopped) return done(etcdError("stopped"));
    this.#reads.add(this.#options.clock.monotonic() + this.request_ms, done);
    this.schedule();
  }

  /** Hands the leadership to a voter; only the leader can. Watch `until` for the outcome. */
  transferLeadership(to: MemberId): void {
    if (this.#stopped) return;
    this.#options.raft.transferLeadership(to);
    this.schedule();
  }

  /** Appends to a member may be lost. */
  unreachable(member: MemberId): void {
    if (!this.#stopped) this.#options.raft.reportUnreachable(member);
  }

  /** A snapshot to a member has ended, delivered or not. */
  snapshotSent(member: MemberId, delivered: boolean): void {
    if (this.#stopped) return;
    this.#options.raft.reportSnapshot(member, delivered);
    this.schedule();
  }

  /** Waits until entry `index` is applied; false when that takes longer than a request may. */
  untilApplied(index: number): Promise<boolean> {
    const { state } = this.#options;
    return this.until(() => state.appliedIndex >= index, this.request_ms);
  }

  /** Waits for a condition on the core or the state; false when its time or the member ends. */
  until(condition: () => boolean, timeout_ms: number): Promise<boolean> {
    const { clock } = this.#options;
    const end_ms = clock.monotonic() + timeout_ms;
    return new Promise((resolve) => {
      this.#waits.push(() => {
        const met = condition();
        if (!met && !this.#stopped && clock.monotonic() < end_ms) return false;
        resolve(met);
        return true;
      });
      this.schedule();
    });
  }

  /** Takes a message from another member. */
  receive(message: Message): void {
    if (this.#stopped || isTooLarge(message)) return;
    this.#orFail(() => this.#step(message));
    this.schedule();
  }

  #step(message: Message): void {
    const { raft } = this.#options;
    raft.step(message);
    if (message.kind !== "snapshot") return;
    const { mark } = message;
    if (raft.state.restored?.index !== mark.index) this.#snapshots.refused(mark);
  }

  /**
   * Runs a call of a stream or the disk; an invariant that the core finds broken ends this member.
   */
  #orFail(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** Runs the loop once everything of this turn has arrived, so that it all goes in one batch. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#orFail(() => this.#turn());
    });
  }

  /** Ends with a reason: nothing more is acknowledged. */
  fail(reason: unknown): void {
    if (this.#stopped) return;
    this.#failed = true;
    this.stop();
    this.#options.onFatal(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#ticker?.cancel();
    this.#snapshots.stop();
    this.#proposals.failAll({ error: etcdError("stopped") });
    this.#reads.failAll(etcdError("stopped"));
    for (const wait of this.#waits.splice(0)) wait();
  }

  #tickLater(): void {
    const { clock } = this.#options;
    const due_ms = clock.monotonic() + this.timing.tick_ms;
    this.#ticker = clock.after(this.timing.tick_ms, () => {
      if (this.#stopped) return;
      this.#tickLater();
      const now_ms = clock.monotonic();
      this.#reportLate(now_ms - due_ms);
      this.#proposals.expire(now_ms, (late) => this.#whyLate(late));
      this.#reads.expire(now_ms);
      this.#options.raft.tick();
      this.schedule();
    });
  }

  /** Reports a heartbeat that is late by a whole interval (etcd's criterion). */
  #reportLate(late_ms: number): void {
    const { raft, onLateHeartbeat } = this.#options;
    const awaited = (raft.leading?.progress.size ?? 0) > 1;
    if (awaited && late_ms > this.timing.tick_ms * HEARTBEAT_TICKS) onLateHeartbeat?.(late_ms);
  }

  #turn(): void {
    this.#proposeWaiting();
    this.#readWaiting();
    const start_ms = this.#options.clock.monotonic();
    for (;;) {
      const ready = this.#options.raft.ready();
      if (!ready) break;
      this.#handle(ready);
      if (this.#options.clock.monotonic() - start_ms > APPLY_TURN_MS) {
        this.schedule();
        break;
      }
    }
    const { state } = this.#options.raft;
    if (this.#timeoutReason.seen(state.leader, start_ms)) this.#options.onLeader?.();
    this.#followLeadership();
    if (this.#leads) this.#reportConflicts();
    const { fatal } = state;
    // Pending messages are sent first.
    if (fatal) this.#options.clock.after(0, () => this.fail(fatal));
    this.#waits = this.#waits.filter((wait) => !wait());
  }

  /**
   * Starts the leader's work, once an entry of the own term is applied: until then the state may
   * lack commands of an earlier leader, recorded renewals among them (S7).
   */
  #followLeadership(): void {
    const { raft, state, onLeadership } = this.#options;
    const leads = raft.isLeader && state.appliedTerm === raft.state.term;
    if (leads === this.#leads) return;
    this.#leads = leads;
    onLeadership(leads);
  }

  /**
   * Reports conflicts once for each member and leadership: every answer of that member repeats it.
   */
  #reportConflicts(): void {
    for (const conflict of this.#options.raft.state.conflicts.values()) {
      if (this.#reported.has(conflict)) continue;
      this.#reported.add(conflict);
      this.#options.onConflict?.(conflict);
    }
  }

  #proposeWaiting(): void {
    if (!this.#proposals.hasWaiting) return;
    const { state, raft } = this.#options;
    if (state.recent.unflushedBytes > UNFLUSHED_BYTES_MAX) return this.#waitForFlush();
    while (this.#proposals.hasWaiting) {
      const leadership = { term: raft.state.term, isLeader: raft.isLeader };
      const { sequences, data, change } = this.#proposals.takeWaiting(APPEND_BYTES_MAX, leadership);
      if (sequences.length === 0) return;
      const proposed = change ? raft.proposeChange(change) : raft.propose(data);
      if (typeof proposed === "string" || !("refused" in proposed)) continue;
      if (proposed.refused === "too-much-uncommitted") {
        this.#proposals.refuse(sequences, { error: etcdError("tooManyRequests") });
      } else if (proposed.refused === "membership-invalid") {
        this.#proposals.refuse(sequences, { error: etcdError("notEnoughStarted") });
      } else {
        // Without a leader, or while another change is under way, they wait until their time ends.
        this.#proposals.putBack(sequences);
        return;
      }
    }
  }

  #whyLate(late: LateProposal): EtcdError {
    const { raft, transport } = this.#options;
    const { id, leader, voterSets } = raft.state;
    const connectedSince_ms = transport.connectedSince_ms.bind(transport);
    const around = { self: id, leader, voters: voterSets.voters, connectedSince_ms };
    return this.#timeoutReason.of(late, around);
  }

  #waitForFlush(): void {
    void this.#options.nextFlush().then(() => this.schedule());
  }

  #readWaiting(): void {
    if (!this.#reads.hasWaiting) return;
    const id = this.#reads.openAttempt(this.#options.clock.monotonic());
    if (this.#options.raft.requestReadIndex(id)) this.#reads.abandon(id);
  }

  #handle(ready: Ready): void {
    const { wal, transport } = this.#options;
    const { write, messages, messagesAfterPersist, committed, reads } = ready;
    if (write) {
      if (write.snapshot) this.#snapshots.taken(write.snapshot);
      wal.append(write, () => {
        if (!this.#stopped) this.#orFail(() => this.#persisted(write, messagesAfterPersist));
      });
    }
    if (messages.length > 0) transport.send(messages);
    if (this.#awaitsSnapshot) this.#held.push(...committed);
    else if (committed.length > 0) this.#apply(committed);
    for (const { readId, index } of reads) this.#reads.confirmed(readId, index);
    this.#reads.applied(this.#options.state.appliedIndex);
  }

  #persisted({ id, snapshot }: Write, messagesAfterPersist: Message[]): void {
    const { raft, transport } = this.#options;
    raft.persisted(id);
    const others: Message[] = [];
    for (const message of messagesAfterPersist) {
      if (message.to === raft.state.id) raft.step(message);
      else others.push(message);
    }
    if (others.length > 0) transport.send(others);
    if (snapshot) this.#snapshots.recorded(snapshot);
    this.schedule();
  }

  /**
   * The core has taken a snapshot that is not in the place of the state: `restored` until its
   * record goes to the log.
   */
  get #awaitsSnapshot(): boolean {
    return this.#snapshots.pending > 0 || this.#options.raft.state.restored !== undefined;
  }

  /** Entries committed meanwhile have waited; the snapshot may contain some of them. */
  #installed(): void {
    this.#proposals.forget();
    // Leases of a leadership that started on the replaced state would never end (S7): start again.
    if (this.#leads) this.#options.onLeadership(true);
    if (this.#awaitsSnapshot) return;
    const held = this.#held.splice(0);
    const { appliedIndex } = this.#options.state;
    const rest = held.filter(({ index }) => index > appliedIndex);
    if (rest.length > 0) this.#apply(rest);
    // Before reads are answered: a lease may be renewed after one, and the start of the leadership
    // would take that back (S7).
    this.#followLeadership();
    this.#reads.applied(this.#options.state.appliedIndex);
    this.schedule();
  }

  /** Resolves once no snapshot is being installed. */
  installed(): Promise<void> {
    return this.#snapshots.idle();
  }

  #apply(entries: Entry[]): void {
    let bytes = 0;
    for (const entry of entries) {
      bytes += entry.data.length;
      this.#applyOne(entry);
    }
    this.#options.raft.appliedTo(entries.at(-1)!.index, bytes);
    this.#options.onApplied();
    if (this.#proposals.hasWaiting) this.schedule();
  }

  #applyOne(entry: Entry): void {
    const { state, raft } = this.#options;
    const { index, term, data, change } = entry;
    const command = change ? change.context : data;
    if (term > state.appliedTerm) this.#proposals.termBegan(term);
    if (command.length === 0) {
      apply(state, { index, term }, NO_BYTES);
      if (change) state.membership = raft.applyChange(change) ?? state.membership;
      return;
    }
    const ticket = ticketOf(command);
    const known = this.#proposals.command(ticket);
    const { clock, onCommand } = this.#options;
    const from_ms = clock.monotonic();
    const outcome: Outcome | undefined = apply(state, { index, term }, command, known);
    assert(outcome, () => `entry ${index} has a command and no outcome`);
    onCommand?.(kindOf(command), clock.monotonic() - from_ms, !outcome.error);
    this.#options.onOutcome(outcome);
    if (change && !outcome.error) this.#applyChange(change);
    this.#proposals.applied(ticket, outcome);
    if (isMemberCommand(command)) this.#options.onMembers();
  }

  /** The state has taken the change in; Raft must agree, or members would part ways. */
  #applyChange(change: MembershipChange): void {
    const { state, raft } = this.#options;
    const membership = raft.applyChange(change);
    assert(membership, "the state took a change of membership that Raft refuses");
    state.membership = membership;
  }
}

/** The log could not take it: its proposer, of a release that asks for more, waits in vain. */
function isTooLarge(message: Message): boolean {
  if (message.kind !== "propose") return false;
  return message.data.some(({ length }) => length > ENTRY_BYTES_MAX);
}
