import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Entry, MemberId } from "@raft2kube/store/core/types.ts";
import { require } from "../violation.ts";
import { changesKnown } from "./checks/changes.ts";
import { ElectionSafety, HardStateKept } from "./checks/elections.ts";
import {
  CommitMonotonic,
  CommitsOwnTerm,
  LeaderAppendOnly,
  type LogEntry,
  leaderCompleteness,
  StateMachineSafety,
} from "./checks/logs.ts";
import type { AppliedEntry, TestMember } from "./member.ts";

/**
 * The properties of Raft section 5 (figure 3) for one cluster. Its methods are called after each
 * step, and throw a Violation that names the property.
 */
export class Safety {
  readonly #elections = new ElectionSafety();
  readonly #hardStates = new HardStateKept();
  readonly #machine = new StateMachineSafety();
  readonly #appendOnly = new LeaderAppendOnly();
  readonly #ownTerm = new CommitsOwnTerm();
  readonly #commits = new CommitMonotonic();
  readonly #leadership = new Map<MemberId, string>();
  readonly #onLeader: (member: MemberId, raft: Raft) => void;
  /** The first index that a state machine applies. */
  readonly #first: number;

  /** `onLeader` is called when a member is first seen as leader of a term. */
  constructor(first = 1, onLeader: (member: MemberId, raft: Raft) => void = () => undefined) {
    this.#first = first;
    this.#onLeader = onLeader;
  }

  /** A member starts with this term and vote. */
  recovered(member: MemberId, found: { term: number; vote: MemberId }): void {
    this.#hardStates.recovered(member, found);
  }

  /** A member has made this term and vote durable. */
  persisted(member: MemberId, written: { term: number; vote: MemberId }): void {
    this.#hardStates.persisted(member, written);
  }

  /** Looks at a core after a step. `generation` counts the member's starts. */
  look(member: MemberId, generation: number, raft: Raft): void {
    const { term, log } = raft.state;
    this.#commits.seen(member, generation, log.committed);
    const leadership = raft.isLeader ? `term ${term} of generation ${generation}` : "";
    if (leadership !== "") {
      this.#elections.leads(member, term, generation);
      this.#hardStates.leads(member, term);
      this.#appendOnly.leads(member, leadership, log);
      this.#ownTerm.leads(member, leadership, term, log, log.committed);
      if (this.#leadership.get(member) !== leadership) this.#elected(member, raft);
    }
    this.#leadership.set(member, leadership);
  }

  #elected(member: MemberId, raft: Raft): void {
    this.#onLeader(member, raft);
    const committed = this.#machine.committedBefore(raft.state.term);
    if (committed) leaderCompleteness(member, raft.state.log, committed);
  }

  /** A member in term `inTerm` applies an entry; returns whether it is the first to do so. */
  applied(member: MemberId, entry: LogEntry, inTerm: number): boolean {
    return this.#machine.applied(member, entry, this.#first, inTerm);
  }

  /** A member is down or gone. */
  ended(member: MemberId): void {
    this.#leadership.delete(member);
  }

  /** The last index that any member has applied, undefined before the first. */
  get lastApplied(): number | undefined {
    return this.#machine.last?.index;
  }

  /** How many terms had a leader. */
  get terms(): number {
    return this.#elections.terms;
  }
}

/** Checks the members of a TestCluster, after every step. */
export class SafetyChecker {
  readonly #safety = new Safety();
  readonly #checked = new Map<MemberId, { generation: number; applied: number }>();

  check({ members }: { readonly members: ReadonlyMap<MemberId, TestMember> }): void {
    for (const member of members.values()) this.checkMember(member);
  }

  checkMember(member: TestMember): void {
    const { id, raft, disk, generation } = member;
    this.#safety.persisted(id, disk.hardState);
    this.#safety.look(id, generation, raft);
    this.#applied(member);
    changesKnown(id, { ...disk, applied: disk.mark.index });
  }

  #applied({ id, raft, applied, generation }: TestMember): void {
    const before = this.#checked.get(id);
    const from = before?.generation === generation ? before.applied : 0;
    for (let i = from; i < applied.length; i++) {
      const entry = applied[i]!;
      const message = () => `${id} applies ${entry.index} where ${i + 1} is next`;
      require(entry.index === i + 1, "applied in order", message);
      this.#safety.applied(id, logEntryOfApplied(entry), raft.state.term);
    }
    this.#checked.set(id, { generation, applied: applied.length });
  }

  /** Commands applied anywhere so far. */
  get commands(): number {
    return this.#safety.lastApplied ?? 0;
  }

  /** Terms that had a leader. */
  get terms(): number {
    return this.#safety.terms;
  }
}

function logEntryOfApplied({ index, term, command }: AppliedEntry): LogEntry {
  return { index, term, digest: command };
}

/** An entry as the checks compare it: the digest stands for its command or change. */
export function logEntryOf({ index, term, data, change }: Entry): LogEntry {
  const steps = change?.steps.map(({ action, member }) => `${action} ${member}`).join();
  return { index, term, digest: `${data.toString("latin1")}${change ? `change ${steps}` : ""}` };
}
