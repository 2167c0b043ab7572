import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { MembershipChange } from "../core/types.ts";
import {
  ENTRY_BYTES_MAX,
  PENDING_PROPOSALS_BYTES_MAX,
  PENDING_PROPOSALS_MAX,
  REQUEST_BYTES_MAX,
} from "../limits.ts";
import { type Command, encodeCommand, type Ticket } from "../mvcc/apply/command.ts";
import type { Outcome } from "../mvcc/apply/responses.ts";
import { Slabs } from "../structures/slabs.ts";
import { membershipChange } from "./membership-change.ts";

export type OutcomeCallback = (outcome: Outcome) => void;

/** How a command is to be proposed. Times are the clock's monotonic ones. */
export interface ProposalTerms {
  asked_ms: number;
  deadline_ms: number;
  /** Only in this term, by its leader itself; never passed on to another (S7). */
  onlyInTerm?: number | undefined;
  done: OutcomeCallback;
}

/** The leadership in which commands are about to be proposed. */
export type Leadership = { term: number; isLeader: boolean };

/** One that was not applied in time. */
export interface LateProposal {
  asked_ms: number;
  /** Whether it was given to our own log or to the leader; else it still waited for one. */
  handedOver: boolean;
}

interface Proposal extends ProposalTerms {
  command: Command;
  data: Buffer;
  /** The change, if the command changes the membership: it is then proposed alone. */
  change: MembershipChange | undefined;
  /** The term it was handed over in, to our own log or to the leader; 0 while it waits. */
  proposedIn: number;
}

/** Commands to be proposed together, or one change of membership. */
export interface ProposalBatch {
  sequences: number[];
  data: Buffer[];
  change: MembershipChange | undefined;
}

/** A proposal whose fate this member can no longer learn: see `forget`. */
const UNKNOWABLE = Number.POSITIVE_INFINITY;

/**
 * Commands under way: waiting to be proposed, or proposed and waiting to be applied. Each has a
 * ticket, by which it is known again in the log.
 *
 * A command handed over in a term can be appended in that term only: the leader of another takes no
 * message of it. So once an entry of a later term is applied here, what was handed over before and
 * is not applied is lost for certain, and is proposed again: never twice applied. A proposal that
 * is not applied in time fails with a timeout; it may still be applied later, as with etcd.
 */
export class Proposals {
  readonly #session: number;
  readonly #requestBytes_max: number;
  #sequence = 0;
  #bytes = 0;
  #waiting: number[] = [];
  readonly #bySequence = new Map<number, Proposal>();
  /** The log keeps commands for followers that are a little behind. */
  readonly #slabs = new Slabs();

  /**
   * `session` distinguishes this start of the member from earlier ones, whose entries may still be
   * in the log.
   */
  constructor(session: number, requestBytes_max = REQUEST_BYTES_MAX) {
    this.#session = session;
    // The log takes no larger entry, even if clients are allowed more.
    this.#requestBytes_max = Math.min(requestBytes_max, ENTRY_BYTES_MAX);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get size(): number {
    return this.#bySequence.size;
  }

  add(command: Command, terms: ProposalTerms): void {
    const { done } = terms;
    if (this.#bySequence.size >= PENDING_PROPOSALS_MAX) {
      return done({ error: etcdError("tooManyRequests") });
    }
    const sequence = ++this.#sequence;
    const data = this.#slabs.copy(encodeCommand(command, { session: this.#session, sequence }));
    if (data.length > this.#requestBytes_max) return done({ error: etcdError("requestTooLarge") });
    if (this.#bytes > 0 && this.#bytes + data.length > PENDING_PROPOSALS_BYTES_MAX) {
      return done({ error: etcdError("tooManyRequests") });
    }
    const change = membershipChange(command, data);
    this.#bySequence.set(sequence, { ...terms, command, data, change, proposedIn: 0 });
    this.#bytes += data.length;
    this.#waiting.push(sequence);
  }

  /**
   * The oldest that wait, up to `bytes_max` but at least one; they count as proposed now. Proposals
   * of another leadership end here.
   */
  takeWaiting(bytes_max: number, leadership: Leadership): ProposalBatch {
    const batch: ProposalBatch = { sequences: [], data: [], change: undefined };
    const outdated: number[] = [];
    let bytes = 0;
    let taken = 0;
    for (const sequence of this.#waiting) {
      const proposal = this.#bySequence.get(sequence);
      if (proposal && isOutdated(proposal, leadership)) {
        taken++;
        outdated.push(sequence);
        continue;
      }
      bytes += proposal?.data.length ?? 0;
      const alone = batch.change !== undefined || proposal?.change !== undefined;
      if (batch.sequences.length > 0 && (alone || bytes > bytes_max)) break;
      taken++;
      if (!proposal) continue;
      proposal.proposedIn = leadership.term;
      batch.sequences.push(sequence);
      if (proposal.change) batch.change = proposal.change;
      else batch.data.push(proposal.data);
    }
    this.#waiting = this.#waiting.slice(taken);
    if (outdated.length > 0) this.refuse(outdated, { error: etcdError("leaderChanged") });
    return batch;
  }

  /** Proposals that could not be proposed now: they wait again, first in line. */
  putBack(sequences: number[]): void {
    for (const sequence of sequences) {
      const proposal = this.#bySequence.get(sequence);
      if (proposal) proposal.proposedIn = 0;
    }
    this.#waiting = [...sequences, ...this.#waiting];
  }

  /**
   * An entry of `term` is about to be applied: what was handed over in earlier terms is lost, and
   * waits again.
   */
  termBegan(term: number): void {
    const lost: number[] = [];
    for (const [sequence, { proposedIn }] of this.#bySequence) {
      if (proposedIn > 0 && proposedIn < term) lost.push(sequence);
    }
    if (lost.length > 0) this.putBack(lost);
  }

  /**
   * The state was replaced by a snapshot, in which anything handed over may be applied already:
   * nothing of it may be proposed again.
   */
  forget(): void {
    for (const proposal of this.#bySequence.values()) {
      if (proposal.proposedIn > 0) proposal.proposedIn = UNKNOWABLE;
    }
  }

  refuse(sequences: number[], outcome: Outcome): void {
    for (const sequence of sequences) this.#settle(sequence, outcome);
  }

  /** The command of a ticket, when it is ours. */
  command(ticket: Ticket): Command | undefined {
    if (ticket.session !== this.#session) return undefined;
    return this.#bySequence.get(ticket.sequence)?.command;
  }

  applied(ticket: Ticket, outcome: Outcome): void {
    if (ticket.session === this.#session) this.#settle(ticket.sequence, outcome);
  }

  /** Fails proposals past their deadline, with the error of `reasonOf`. */
  expire(now_ms: number, reasonOf: (late: LateProposal) => EtcdError): void {
    for (const [sequence, { deadline_ms, asked_ms, proposedIn }] of this.#bySequence) {
      if (deadline_ms > now_ms) continue;
      this.#settle(sequence, { error: reasonOf({ asked_ms, handedOver: proposedIn > 0 }) });
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
    this.#bytes -= proposal.data.length;
    proposal.done(outcome);
  }
}

function isOutdated({ onlyInTerm }: Proposal, { term, isLeader }: Leadership): boolean {
  return onlyInTerm !== undefined && (!isLeader || onlyInTerm !== term);
}
