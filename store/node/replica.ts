import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { Message } from "../core/message.ts";
import type { Raft } from "../core/raft.ts";
import type { Ready } from "../core/ready.ts";
import type { Entry } from "../core/types.ts";
import { REQUEST_TIMEOUT_MS, TICK_MS, UNFLUSHED_BYTES_MAX } from "../limits.ts";
import { type Outcome, apply } from "../mvcc/apply.ts";
import { type Command, ticketOf } from "../mvcc/command.ts";
import type { State } from "../mvcc/state.ts";
import type { Transport } from "../transport/transport.ts";
import type { Wal } from "../wal/wal.ts";
import { type OutcomeCallback, Proposals } from "./proposals.ts";
import { type ReadCallback, Reads } from "./reads.ts";

export interface ReplicaOptions {
  raft: Raft;
  wal: Wal;
  state: State;
  transport: Transport;
  clock: Clock;
  /** Random, to tell this start of the member from earlier ones: below 2^32. */
  session: number;
  /** After entries were applied. */
  onApplied: () => void;
  /** After this member took or lost office. */
  onLeadership: (leads: boolean) => void;
  /** A broken invariant: the member must end. */
  onFatal: (reason: unknown) => void;
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
  #scheduled = false;
  #ticker: Timer | undefined;
  #leads = false;
  #stopped = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#proposals = new Proposals(options.session);
    this.#reads = new Reads(options.session * 2 ** 20);
  }

  get raft(): Raft {
    return this.#options.raft;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get pendingProposals(): number {
    return this.#proposals.size;
  }

  /** Begins to tick; a sole member elects itself at once. */
  start(): void {
    const { raft } = this.#options;
    if (raft.state.voterSets.voters.size === 1) raft.campaign();
    this.#tickLater();
    this.schedule();
  }

  /** Proposes a command; `done` hears its outcome once it is applied here, or a timeout. */
  propose(command: Command, done: OutcomeCallback, timeout_ms = REQUEST_TIMEOUT_MS): void {
    if (this.#stopped) return done({ error: etcdError("stopped") });
    this.#proposals.add(command, this.#options.clock.monotonic() + timeout_ms, done);
    this.schedule();
  }

  /**
   * Calls back when the state is at least as new as at this moment, anywhere in the cluster (S2).
   */
  readBarrier(done: ReadCallback, timeout_ms = REQUEST_TIMEOUT_MS): void {
    if (this.#stopped) return done(etcdError("stopped"));
    this.#reads.add(this.#options.clock.monotonic() + timeout_ms, done);
    this.schedule();
  }

  /** Takes a message from another member. */
  receive(message: Message): void {
    if (this.#stopped) return;
    this.#options.raft.step(message);
    this.schedule();
  }

  /** Runs the loop once everything of this turn has arrived, so that it all goes in one batch. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#stopped) return;
      try {
        this.#turn();
      } catch (thrown) {
        this.fail(thrown);
      }
    });
  }

  /** Ends with a reason: nothing more is acknowledged. */
  fail(reason: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onFatal(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#ticker?.cancel();
    this.#proposals.failAll({ error: etcdError("stopped") });
    this.#reads.failAll(etcdError("stopped"));
  }

  #tickLater(): void {
    this.#ticker = this.#options.clock.after(TICK_MS, () => {
      if (this.#stopped) return;
      this.#tickLater();
      const now_ms = this.#options.clock.monotonic();
      this.#proposals.expire(now_ms);
      this.#reads.expire(now_ms);
      this.#options.raft.tick();
      this.schedule();
    });
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
    const { isLeader } = this.#options.raft;
    if (isLeader === this.#leads) return;
    this.#leads = isLeader;
    this.#options.onLeadership(isLeader);
  }

  #proposeWaiting(): void {
    if (!this.#proposals.hasWaiting) return;
    const { state, raft } = this.#options;
    if (state.recent.unflushedBytes > UNFLUSHED_BYTES_MAX) return this.#waitForFlush();
    const { sequences, data } = this.#proposals.takeWaiting();
    if (data.length === 0) return;
    const proposed = raft.propose(data);
    if (typeof proposed === "string" || !("refused" in proposed)) return;
    if (proposed.refused === "too-much-uncommitted") {
      this.#proposals.refuse(sequences, { error: etcdError("tooManyRequests") });
    } else {
      // Without a leader they wait for one until their time is over.
      this.#proposals.putBack(sequences);
    }
  }

  #waitForFlush(): void {
    this.#options.state.onFlushed.push(() => this.schedule());
  }

  #readWaiting(): void {
    if (!this.#reads.hasWaiting) return;
    const id = this.#reads.openAttempt(this.#options.clock.monotonic());
    if (this.#options.raft.requestRead(id)) this.#reads.abandon(id);
  }

  #handle(ready: Ready): void {
    const { raft, wal, transport } = this.#options;
    const { write, messages, messagesAfterPersist, committed, reads } = ready;
    if (write) {
      wal.append(write, () => {
        if (this.#stopped) return;
        raft.persisted(write.id);
        const others: Message[] = [];
        for (const message of messagesAfterPersist) {
          if (message.to === raft.state.id) raft.step(message);
          else others.push(message);
        }
        if (others.length > 0) transport.send(others);
        this.schedule();
      });
    }
    if (messages.length > 0) transport.send(messages);
    if (committed.length > 0) this.#apply(committed);
    for (const { readId, index } of reads) this.#reads.confirmed(readId, index);
    this.#reads.applied(this.#options.state.appliedIndex);
  }

  #apply(entries: Entry[]): void {
    let bytes = 0;
    for (const entry of entries) {
      bytes += entry.data.length;
      this.#applyOne(entry);
    }
    this.#options.raft.appliedTo(entries.at(-1)!.index, bytes);
    this.#options.onApplied();
  }

  #applyOne(entry: Entry): void {
    const { state, raft } = this.#options;
    const { index, term, data, change } = entry;
    if (change || data.length === 0) {
      apply(state, { index, term }, EMPTY);
      if (change) state.membership = raft.applyChange(change) ?? state.membership;
      return;
    }
    const ticket = ticketOf(data);
    const outcome: Outcome | undefined = apply(
      state,
      { index, term },
      data,
      this.#proposals.command(ticket),
    );
    assert(outcome, `entry ${index} has a command and no outcome`);
    this.#proposals.applied(ticket, outcome);
  }
}

const EMPTY = Buffer.alloc(0);
