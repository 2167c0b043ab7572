import type { Message } from "@raft2kube/store/core/message.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";
import { isQuorum } from "./quorum.ts";

/** The reads that one leader knows of in one term. */
interface Leadership {
  term: number;
  /** When each read came, by its requester and id. */
  readonly asked: Map<string, number>;
  /** When the first heartbeat of each round left. */
  readonly rounds: Map<number, number>;
  /** The newest heartbeat of this term that each member has answered. */
  readonly answered: Map<MemberId, number>;
}

/**
 * Reads by index (dissertation section 6.4): the leader answers one after a quorum has answered
 * heartbeats that left after it came, and with no less than was committed anywhere when it was
 * asked for. The requester counts, as it asked in the leader's term.
 */
export class ReadRounds {
  readonly #leaderships = new Map<MemberId, Leadership>();
  readonly #requests = new Map<string, number>();
  /** Counts what happens, so that two things have an order. */
  #now = 0;

  /** A member asks for an index; `committed` is the newest that any leader has committed. */
  requested(member: MemberId, readId: number, committed: number): void {
    this.#requests.set(`${member}/${readId}`, committed);
  }

  /** A leader is asked. */
  asked(raft: RaftState, from: MemberId, readId: number): void {
    const { asked } = this.#leadership(raft);
    const name = `${from}/${readId}`;
    if (!asked.has(name)) asked.set(name, ++this.#now);
  }

  /** Records the messages that leave a member. */
  sent(raft: RaftState, messages: readonly Message[]): void {
    if (raft.role !== "leader") return;
    const { rounds } = this.#leadership(raft);
    for (const message of messages) {
      if (message.kind !== "heartbeat" || rounds.has(message.readId)) continue;
      rounds.set(message.readId, ++this.#now);
    }
  }

  /** A leader gets an answer to a heartbeat. */
  answered(raft: RaftState, from: MemberId, round: number): void {
    const { rounds, answered } = this.#leadership(raft);
    const left = rounds.get(round);
    if (left === undefined || round === 0) return;
    answered.set(from, Math.max(left, answered.get(from) ?? 0));
  }

  /** A leader lets a read be answered. */
  confirmed(raft: RaftState, from: MemberId, readId: number): void {
    const { id, term, membership } = raft;
    const { asked, answered } = this.#leadership(raft);
    const came = asked.get(`${from}/${readId}`);
    if (came === undefined) return;
    const agrees = (member: MemberId) =>
      member === id || member === from || (answered.get(member) ?? 0) > came;
    const message = () => `${id} in term ${term} answers ${readId} of ${from} without a quorum`;
    require(isQuorum(membership, agrees), "read by a quorum", message);
  }

  /** A member may read at `index`. */
  safe(member: MemberId, readId: number, index: number): void {
    const name = `${member}/${readId}`;
    const committed = this.#requests.get(name) ?? 0;
    this.#requests.delete(name);
    const message = () => `${member} reads at ${index}; ${committed} was committed when it asked`;
    require(index >= committed, "read index", message);
  }

  #leadership({ id, term }: RaftState): Leadership {
    const known = this.#leaderships.get(id);
    if (known?.term === term) return known;
    const leadership = { term, asked: new Map(), rounds: new Map(), answered: new Map() };
    this.#leaderships.set(id, leadership);
    return leadership;
  }
}
