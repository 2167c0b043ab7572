import { changeMembership, MembershipError } from "@raft2kube/store/core/membership.ts";
import type { Message, VoteMessage, VoteReplyMessage } from "@raft2kube/store/core/message.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";
import type { DurableLogs } from "./durable-logs.ts";
import { isQuorum } from "./quorum.ts";

/**
 * Ballots: term and vote are durable before any message that depends on them leaves (Raft section
 * 5.1), and a leader is elected by a quorum of the configuration that it knows to be committed.
 */
export class Ballots {
  readonly #disks: DurableLogs;
  readonly #granted = new Map<MemberId, { term: number; by: Set<MemberId> }>();

  constructor(disks: DurableLogs) {
    this.#disks = disks;
  }

  sent(message: Message): void {
    if (message.kind === "vote" && !message.pre) this.#durable(message, message.from);
    const granted = message.kind === "vote-reply" && !message.pre && message.granted;
    if (granted) this.#durable(message, message.to);
  }

  #durable({ from, term, kind }: VoteMessage | VoteReplyMessage, candidate: MemberId): void {
    const { hardState } = this.#disks.get(from)!;
    const same = hardState.term === term && hardState.vote === candidate;
    // One that is in a later term by then will not vote in this one again.
    const kept = same || hardState.term > term;
    const has = `term ${hardState.term} and vote ${hardState.vote} on disk`;
    const message = () => `${kind} of ${from} for ${candidate} in term ${term}, with ${has}`;
    require(kept, "vote is durable", message);
  }

  /** A member that stands for election in its term gets an answer. */
  received({ id, term, role }: RaftState, message: Message): void {
    if (message.kind !== "vote-reply" || message.pre || !message.granted) return;
    if (role !== "candidate" || message.term !== term) return;
    const known = this.#granted.get(id);
    const ballot = known?.term === term ? known : { term, by: new Set<MemberId>() };
    ballot.by.add(message.from);
    this.#granted.set(id, ballot);
  }

  elected(raft: RaftState): void {
    const { id, term } = raft;
    const ballot = this.#granted.get(id);
    const by = ballot?.term === term ? ballot.by : new Set<MemberId>();
    const membership = committedMembership(raft);
    const { voters, outgoing } = membership;
    const message = () =>
      `${id} leads term ${term} by the votes of ${[...by].join(" ")}; ` +
      `of ${voters.join(" ")}${outgoing.length > 0 ? ` and ${outgoing.join(" ")}` : ""}`;
    require(isQuorum(membership, (member) => by.has(member)), "elected by a quorum", message);
  }
}

/** The configuration once everything that a member knows to be committed is applied. */
function committedMembership({ membership, applied, log }: RaftState): Membership {
  let result = membership;
  for (let index = applied + 1; index <= log.committed; index++) {
    const change = log.entry(index)?.change;
    if (!change) continue;
    try {
      result = changeMembership(result, change);
    } catch (thrown) {
      // A change that does not fit is void on every member.
      if (!(thrown instanceof MembershipError)) throw thrown;
    }
  }
  return result;
}
