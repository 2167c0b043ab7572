import { require } from "../../violation.ts";

/** An entry as the checks see it: its place, and a digest of its command or change. */
export type LogEntry = { readonly index: number; readonly term: number; readonly digest: string };

const DIGEST_CHARS_MAX = 40;

function describe({ index, term, digest }: LogEntry): string {
  return `${index}/${term} "${digest.slice(0, DIGEST_CHARS_MAX)}"`;
}

/** A log's content, as far as it is in memory. */
export interface LogView {
  readonly firstIndex: number;
  readonly lastIndex: number;
  term(index: number): number | undefined;
}

/**
 * Checks that two logs that have an entry of equal index and term are equal up to there (Raft
 * section 5.3). By induction it is enough that such entries are equal and follow an entry of equal
 * term.
 */
export class LogMatching {
  readonly #entries = new Map<string, { digest: string; before: number }>();

  /** A member writes `entry` after an entry of term `before`. */
  written(member: bigint, entry: LogEntry, before: number): void {
    const name = `${entry.index}/${entry.term}`;
    const known = this.#entries.get(name);
    if (!known) return void this.#entries.set(name, { digest: entry.digest, before });
    const same = known.digest === entry.digest && known.before === before;
    const message = () =>
      `${member} has another entry ${name}, after ${before}, not ${known.before}`;
    require(same, "log matching", message);
  }
}

/** All members apply the same command at an index (Raft section 5.4.3). */
export class StateMachineSafety {
  readonly #applied: LogEntry[] = [];
  /**
   * The term of the member that applied each entry first: an upper bound of the term that committed
   * it.
   */
  readonly #terms: number[] = [];

  /** The last index that any member has applied; what is applied is committed. */
  get last(): LogEntry | undefined {
    return this.#applied.at(-1);
  }

  /** The last entry that was committed before a term started, for certain. */
  committedBefore(term: number): LogEntry | undefined {
    return this.#applied[this.#terms.findLastIndex((seen) => seen < term)];
  }

  /**
   * Returns true when it is the first to apply this index; `inTerm` is the member's own at that
   * time.
   */
  applied(member: bigint, entry: LogEntry, first: number, inTerm: number): boolean {
    const at = entry.index - first;
    const known = this.#applied[at];
    if (!known) {
      const end = this.#applied.length;
      require(at === end, "state machine safety", `${member} applied ${entry.index}, none before`);
      this.#applied.push(entry);
      this.#terms.push(inTerm);
      return true;
    }
    const same = known.term === entry.term && known.digest === entry.digest;
    const message = () => `${member} applied ${describe(entry)}, others ${describe(known)}`;
    require(same, "state machine safety", message);
    return false;
  }

  at(index: number, first: number): LogEntry | undefined {
    return this.#applied[index - first];
  }
}

/**
 * A leader has every entry committed in an earlier term (Raft section 5.4), but not of a later one:
 * a member that was paused may receive the votes of a past term, and then has no followers.
 */
export function leaderCompleteness(member: bigint, log: LogView, committed: LogEntry): void {
  if (committed.index < log.firstIndex - 1) return;
  const term = log.term(committed.index);
  const message = () =>
    `${member} leads without the committed entry ${committed.index}/${committed.term}, ` +
    `it has term ${term} there and ends at ${log.lastIndex}`;
  require(term === committed.term, "leader completeness", message);
}

/** A leader adds to its log and never changes it (Raft section 5.3). */
export class LeaderAppendOnly {
  readonly #seen = new Map<bigint, { leadership: string; last: number; lastTerm: number }>();

  /** A look at a leader; `leadership` names the term and generation. */
  leads(member: bigint, leadership: string, log: LogView): void {
    const before = this.#seen.get(member);
    if (before?.leadership === leadership) {
      const { last, lastTerm } = before;
      const gone = log.lastIndex < last;
      const changed = last >= log.firstIndex && log.term(last) !== lastTerm;
      const message = () => `${member} changed its log at or before ${last} in ${leadership}`;
      require(!gone && !changed, "leader append-only", message);
    }
    const last = log.lastIndex;
    this.#seen.set(member, { leadership, last, lastTerm: log.term(last) ?? 0 });
  }
}

/**
 * A leader counts copies of entries of its own term only; older entries are committed with them
 * (Raft section 5.4.2).
 */
export class CommitsOwnTerm {
  readonly #atStart = new Map<bigint, { leadership: string; commit: number }>();

  leads(member: bigint, leadership: string, term: number, log: LogView, commit: number): void {
    const start = this.#atStart.get(member);
    if (start?.leadership !== leadership) {
      this.#atStart.set(member, { leadership, commit });
      return;
    }
    const own = commit === start.commit || log.term(commit) === term;
    const message = () =>
      `${member} counted ${commit}/${log.term(commit)} as leader of term ${term}`;
    require(own, "commits in own term", message);
  }
}

/** A member's commit index never decreases within a generation. */
export class CommitMonotonic {
  readonly #commits = new Map<bigint, { generation: number; commit: number }>();

  seen(member: bigint, generation: number, commit: number): void {
    const before = this.#commits.get(member);
    if (before?.generation === generation) {
      const message = () => `${member} went from ${before.commit} to ${commit}`;
      require(commit >= before.commit, "commit never decreases", message);
    }
    this.#commits.set(member, { generation, commit });
  }
}
