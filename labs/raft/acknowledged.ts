import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { TestDisk } from "../../testing/raft/member.ts";
import { Violation } from "../../testing/violation.ts";
import type { Judgement } from "../judge.ts";
import { BrokenProperty } from "./broken-property.ts";

/** Whether a message binds its sender beyond a crash: a vote, for itself too, or an entry kept. */
export function isPromise(message: Message): boolean {
  switch (message.kind) {
    // A candidate's request for votes is a vote for itself.
    case "vote":
      return !message.pre;
    case "vote-reply":
      return message.granted && !message.pre;
    case "append-reply":
      return !message.reject && message.index > 0;
    default:
      return false;
  }
}

/**
 * The promises that a member has made by its messages: its vote in a term, and the entries that it
 * has. Both must be on its disk when it restarts (Raft section 5.1 and figure 2).
 */
export class Acknowledged {
  readonly #member: MemberId;
  #vote = { term: 0, candidate: 0n };
  #entries = { term: 0, index: 0 };

  constructor(member: MemberId) {
    this.#member = member;
  }

  /** Notes a message as it leaves the member. */
  sent(message: Message): void {
    if (!isPromise(message)) return;
    if (message.kind === "vote-reply" || message.kind === "vote") {
      const candidate = message.kind === "vote" ? this.#member : message.to;
      this.#vote = { term: message.term, candidate };
    }
    if (message.kind !== "append-reply") return;
    const { term, index } = message;
    const before = this.#entries;
    if (term > before.term || index > before.index) this.#entries = { term, index };
  }

  /** The term of the last vote, 0 before the first. */
  get votedTerm(): number {
    return this.#vote.term;
  }

  /** The last entry acknowledged to a leader, 0 before the first. */
  get index(): number {
    return this.#entries.index;
  }

  /** Throws when the disk of a member that restarts lacks what it has acknowledged. */
  checkRestart({ hardState, base, entries }: TestDisk): void {
    const restarts = `member ${this.#member} restarts`;
    const onDisk = `term ${hardState.term} and a vote for ${hardState.vote || "none"} on its disk`;
    const { candidate, term } = this.#vote;
    const sameTerm = hardState.term === term && hardState.vote === candidate;
    const voted = hardState.term > term || sameTerm;
    if (term > 0 && !voted) {
      this.#broken("term and vote kept", {
        when: `${restarts}; in term ${term} it has voted for member ${candidate}`,
        expected: `term ${term} and its vote for member ${candidate} on its disk`,
        happened: onDisk,
        why: "it can vote again in this term: two candidates may then have a majority",
      });
    }
    const acknowledged = this.#entries;
    if (acknowledged.index === 0 || hardState.term > acknowledged.term) return;
    const { index, term: inTerm } = acknowledged;
    if (hardState.term < inTerm) {
      this.#broken("term and vote kept", {
        when: `${restarts}; in term ${inTerm} it has acknowledged entry ${index}`,
        expected: `term ${inTerm} on its disk`,
        happened: onDisk,
        why: "it obeys a leader of an older term again, which replaces the entry",
      });
    }
    const last = entries.at(-1)?.index ?? base.index;
    if (last >= index) return;
    this.#broken("acknowledged entries kept", {
      when: `${restarts}; in term ${inTerm} it has acknowledged entry ${index}`,
      expected: `entries up to ${index} on its disk`,
      happened: `the log on its disk ends at ${last}`,
      why: "the leader has counted the entry as durable here, and may have committed it",
    });
  }

  #broken(checker: string, judgement: Judgement): never {
    throw new BrokenProperty(this.#member, judgement, new Violation(checker, judgement.when));
  }
}
