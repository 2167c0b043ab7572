import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Outcome } from "../mvcc/apply.ts";
import type { MembershipChange } from "../core/types.ts";
import { type Command, encodeCommand, type Ticket } from "../mvcc/command.ts";
import { PENDING_PROPOSALS_MAX, REQUEST_BYTES_MAX } from "../limits.ts";
import { membershipChange } from "./membership-change.ts";

export type OutcomeCallback = (outcome: Outcome) => void;

interface Proposal {
  command: Command;
  data: Buffer;
  /** Set when the command changes the membership: then it goes alone. */
  change: MembershipChange | undefined;
  deadline_ms: number;
  done: OutcomeCallback;
}

/** Commands to be proposed together, or one change of membership. */
export interface ProposalBatch {
  sequences: number[];
  data: Buffer[];
  change: MembershipChange | undefined;
}

/**
 * Commands on their way: waiting to be proposed, or proposed and waiting to be applied. A
 * proposal that is not applied in time fails with a timeout; it may still be applied later, as
 * with etcd.
 */
export class Proposals {
  readonly #session: number;
  #sequence = 0;
  #waiting: number[] = [];
  readonly #bySequence = new Map<number, Proposal>();

  /**
   * `session` tells this start of the member from earlier ones, whose entries may still be in the
   * log.
   */
  constructor(session: number) {
    this.#session = session;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get size(): number {
    return this.#bySequence.size;
  }

  add(command: Command, deadline_ms: number, done: OutcomeCallback): void {
    if (this.#bySequence.size >= PENDING_PROPOSALS_MAX) {
      return done({ error: etcdError("tooManyRequests") });
    }
    const sequence = ++this.#sequence;
    const data = encodeCommand(command, { session: this.#session, sequence });
    if (data.length > REQUEST_BYTES_MAX) return done({ error: etcdError("requestTooLarge") });
    this.#bySequence.set(sequence, {
      command,
      data,
      change: membershipChange(command, data),
      deadline_ms,
      done,
    });
    this.#waiting.push(sequence);
  }

  /** The oldest that wait, up to `bytes_max` but at least one; they count as proposed now. */
  takeWaiting(bytes_max: number): ProposalBatch {
    const batch: ProposalBatch = { sequences: [], data: [], change: undefined };
    let bytes = 0;
    let taken = 0;
    for (const sequence of this.#waiting) {
      const proposal = this.#bySequence.get(sequence);
      bytes += proposal?.data.length ?? 0;
      const alone = batch.change !== undefined || proposal?.change !== undefined;
      if (batch.sequences.length > 0 && (alone || bytes > bytes_max)) break;
      taken++;
      if (!proposal) continue;
      batch.sequences.push(sequence);
      if (proposal.change) batch.change = proposal.change;
      else batch.data.push(proposal.data);
    }
    this.#waiting = this.#waiting.slice(taken);
    return batch;
  }

  /** They could not be proposed now: they wait again, first in line. */
  putBack(sequences: number[]): void {
    this.#waiting = [...sequences, ...this.#waiting];
  }

  refuse(sequences: number[], outcome: Outcome): void {
    for (const sequence of sequences) this.#settle(sequence, outcome);
  }

  /** The command behind a ticket, when it is ours. */
  command(ticket: Ticket): Command | undefined {
    if (ticket.session !== this.#session) return undefined;
    return this.#bySequence.get(ticket.sequence)?.command;
  }

  applied(ticket: Ticket, outcome: Outcome): void {
    if (ticket.session === this.#session) this.#settle(ticket.sequence, outcome);
  }

  /** Fails what is past its deadline. */
  expire(now_ms: number): void {
    for (const [sequence, { deadline_ms }] of this.#bySequence) {
      if (deadline_ms <= now_ms) this.#settle(sequence, { error: etcdError("timeout") });
    }
  }

  failAll(outcome: Outcome): void {
    for (const sequence of [...this.#bySequence.keys()]) this.#settle(sequence, outcome);
    this.#waiting = [];
  }

  #settle(sequence: number, outcome: Outcome): void {
    const proposal = this.#bySequence.get(sequence);
    if (!proposal) return;
    this.#bySequence.delete(sequence);
    proposal.done(outcome);
  }
}
