import { require } from "../../violation.ts";

/** Checks that a term has at most one leader (Raft section 5.2). */
export class ElectionSafety {
  readonly #leaders = new Map<number, { member: bigint; generation: number }>();

  /** A member leads. `generation` counts its starts: it leads a term in one of them only. */
  leads(member: bigint, term: number, generation = 0): void {
    const known = this.#leaders.get(term) ?? { member, generation };
    const same = known.member === member && known.generation === generation;
    require(same, "election safety", () => {
      const by = known.member === member ? `${member} twice` : `${known.member} and ${member}`;
      return `term ${term} is led by ${by}`;
    });
    this.#leaders.set(term, known);
  }

  /** Terms that had a leader. */
  get terms(): number {
    return this.#leaders.size;
  }
}

/**
 * Checks that a member votes at most once in a term, through all its generations (Raft section
 * 5.2).
 */
export class OneVotePerTerm {
  readonly #votes = new Map<string, bigint>();

  granted(voter: bigint, term: number, candidate: bigint): void {
    const name = `${voter} in ${term}`;
    const known = this.#votes.get(name) ?? candidate;
    const message = () => `${voter} voted for ${known} and ${candidate} in term ${term}`;
    require(known === candidate, "one vote per term", message);
    this.#votes.set(name, candidate);
  }
}

type Hard = { term: number; vote: bigint };

/** Checks that a member's durable term and vote never regress (Raft section 5.1). */
export class HardStateKept {
  readonly #durable = new Map<bigint, Hard>();

  /** A write of it is durable. */
  persisted(member: bigint, next: Hard): void {
    this.#compare(member, next, "wrote");
    this.#durable.set(member, { term: next.term, vote: next.vote });
  }

  /** A member starts with this. */
  recovered(member: bigint, found: Hard): void {
    this.#compare(member, found, "came back with");
  }

  /** A leader by a vote that is not durable could be elected in the same term once more. */
  leads(member: bigint, term: number): void {
    const known = this.#durable.get(member);
    const kept = known?.term === term && known.vote === member;
    require(kept, "leads by a durable vote", `${member} leads term ${term} and may forget it`);
  }

  #compare(member: bigint, { term, vote }: Hard, how: string): void {
    const known = this.#durable.get(member);
    if (!known) return;
    const kept = term > known.term || (term === known.term && sameVote(known.vote, vote));
    const message = () =>
      `member ${member} ${how} ${described({ term, vote })}; its disk had ${described(known)}`;
    require(kept, "term and vote kept", message);
  }
}

function described({ term, vote }: Hard): string {
  return `term ${term} and ${vote === 0n ? "no vote" : `a vote for ${vote}`}`;
}

const sameVote = (known: bigint, vote: bigint): boolean => known === 0n || known === vote;
