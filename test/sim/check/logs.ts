import { require } from "./violation.ts";

/** A slot as the checkers see it: its place, and a digest of what stands there. */
export interface Slot {
  index: number;
  term: number;
  digest: string;
}

/** A log's content, as far as it is in memory. */
export interface LogView {
  readonly firstIndex: number;
  readonly lastIndex: number;
  term(index: number): number | undefined;
}

/**
 * If two logs have a slot of equal index and term, they are equal up to there (Raft section 5.3).
 * By induction it is enough that such slots hold the same and stand behind the same term.
 */
export class LogMatching {
  readonly #slots = new Map<string, { digest: string; before: number }>();

  /** A member writes `slot` behind a slot of term `before`. */
  written(member: bigint, slot: Slot, before: number): void {
    const name = `${slot.index}/${slot.term}`;
    const known = this.#slots.get(name);
    if (!known) return void this.#slots.set(name, { digest: slot.digest, before });
    const same = known.digest === slot.digest && known.before === before;
    const message = () =>
      `${member} has another slot ${name}, behind ${before}, not ${known.before}`;
    require(same, "log matching", message);
  }
}

/** All members apply the same command at an index (Raft section 5.4.3). */
export class StateMachineSafety {
  readonly #applied: Slot[] = [];
  /** Beside each slot, the term of whoever applied it first: it was committed in no later one. */
  readonly #terms: number[] = [];

  /** The last index that anyone has applied; what is applied is committed. */
  get last(): Slot | undefined {
    return this.#applied.at(-1);
  }

  /** The last slot that was committed before a term began, for certain. */
  committedBefore(term: number): Slot | undefined {
    return this.#applied[this.#terms.findLastIndex((seen) => seen < term)];
  }

  /** True when it is the first to apply this index; `inTerm` is the member's own at that time. */
  applied(member: bigint, slot: Slot, first: number, inTerm: number): boolean {
    const at = slot.index - first;
    const known = this.#applied[at];
    if (!known) {
      const end = this.#applied.length;
      require(at === end, "state machine safety", `${member} applied ${slot.index}, none before`);
      this.#applied.push(slot);
      this.#terms.push(inTerm);
      return true;
    }
    const same = known.term === slot.term && known.digest === slot.digest;
    const { index, term } = slot;
    const message = () => `${member} applied ${index}/${term}, others ${index}/${known.term}`;
    require(same, "state machine safety", message);
    return false;
  }

  at(index: number, first: number): Slot | undefined {
    return this.#applied[index - first];
  }
}

/**
 * A leader has every slot committed in an earlier term (Raft section 5.4). Of a later one it may
 * know nothing: whoever slept may find the votes of a term that is past, and lead nobody.
 */
export function leaderCompleteness(member: bigint, log: LogView, committed: Slot): void {
  if (committed.index < log.firstIndex - 1) return;
  const term = log.term(committed.index);
  const message = () =>
    `${member} leads without the committed slot ${committed.index}/${committed.term}, ` +
    `it has term ${term} there and ends at ${log.lastIndex}`;
  require(term === committed.term, "leader completeness", message);
}

/** A leader adds to its log and never changes it (Raft section 5.3). */
export class LeaderAppendOnly {
  readonly #seen = new Map<bigint, { office: string; last: number; lastTerm: number }>();

  /** A look at a leader; `office` names this reign of this life. */
  leads(member: bigint, office: string, log: LogView): void {
    const before = this.#seen.get(member);
    if (before?.office === office) {
      const { last, lastTerm } = before;
      const gone = log.lastIndex < last;
      const changed = last >= log.firstIndex && log.term(last) !== lastTerm;
      const message = () => `${member} changed its log at or before ${last} in ${office}`;
      require(!gone && !changed, "leader append-only", message);
    }
    const last = log.lastIndex;
    this.#seen.set(member, { office, last, lastTerm: log.term(last) ?? 0 });
  }
}

/** A leader counts only slots of its own term; older ones come with them (Raft section 5.4.2). */
export class CommitsOwnTerm {
  readonly #atStart = new Map<bigint, { office: string; commit: number }>();

  leads(member: bigint, office: string, term: number, log: LogView, commit: number): void {
    const start = this.#atStart.get(member);
    if (start?.office !== office) return void this.#atStart.set(member, { office, commit });
    const own = commit === start.commit || log.term(commit) === term;
    const message = () =>
      `${member} counted ${commit}/${log.term(commit)} as leader of term ${term}`;
    require(own, "commits in own term", message);
  }
}

/** A member's commit index never decreases within a life. */
export class CommitMonotonic {
  readonly #commits = new Map<bigint, { life: number; commit: number }>();

  seen(member: bigint, life: number, commit: number): void {
    const before = this.#commits.get(member);
    if (before?.life === life) {
      const message = () => `${member} went from ${before.commit} to ${commit}`;
      require(commit >= before.commit, "commit never decreases", message);
    }
    this.#commits.set(member, { life, commit });
  }
}
