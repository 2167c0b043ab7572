import { AlarmType } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft, Restored } from "@raft2kube/store/core/raft.ts";
import type { Ready } from "@raft2kube/store/core/ready.ts";
import type { LogBase, MemberId, Membership } from "@raft2kube/store/core/types.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { changesKnown } from "../../../testing/raft/checks/changes.ts";
import { Configurations } from "../../../testing/raft/checks/configurations.ts";
import { OneVotePerTerm } from "../../../testing/raft/checks/elections.ts";
import { LogMatching } from "../../../testing/raft/checks/logs.ts";
import { Consensus } from "../../../testing/raft/consensus.ts";
import { describeEntry, describeState } from "../../../testing/raft/describe.ts";
import type { CoreEvent } from "../../../testing/raft/observe.ts";
import { logEntryOf, Safety } from "../../../testing/raft/safety.ts";
import { thrownBy, Violation } from "../../../testing/violation.ts";
import { StateAgreement } from "../check/agreement.ts";
import { type Applied, ReferenceLog } from "../check/reference.ts";
import { digestOf } from "../check/state-digest.ts";
import type { Transcript } from "../transcript.ts";
import { isDamage } from "../world/backend.ts";
import type { Counters } from "../world/counters.ts";
import { Coverage } from "./coverage.ts";
import type { Generation } from "./generation.ts";

/** How many applied batches share one look at the whole state. */
const DIGEST_EVERY = 4;
/** Events seen fewer times than this are rare. */
const RARE = 2;

/**
 * Observes all steps of members and calls the checkers. It is outside of them: it reads the core,
 * and changes nothing.
 */
export class Witness {
  readonly reference = new ReferenceLog();
  readonly safety: Safety;
  readonly agreement = new StateAgreement();
  readonly configurations: Configurations;
  /** Where in the log a change stands that a core hands out to be applied. */
  readonly #changes = new WeakMap<object, number>();
  readonly #votes = new OneVotePerTerm();
  readonly #matching = new LogMatching();
  readonly #looks = new Map<MemberId, number>();
  readonly #transcript: Transcript;
  readonly #counters: Counters;
  /** Checkers whose findings do not count. */
  readonly #silent: readonly string[];
  /** Checks each step of a core against the protocol. */
  readonly #consensus: Consensus;
  /** A broken invariant inside a member, to be thrown outside of it. */
  broken: Violation | undefined;
  onApplied: (applied: Applied) => void = () => undefined;
  /** A member starts a life, and has applied entries. */
  onBegan: (generation: Generation) => void = () => undefined;
  onMemberApplied: (state: State) => void = () => undefined;
  /** A core is in a state and meets an event that have hardly been seen together. */
  onRare: (member: MemberId) => void = () => undefined;
  readonly coverage = new Coverage();

  constructor(
    transcript: Transcript,
    counters: Counters,
    birth: LogBase,
    initial: Membership,
    silent: readonly string[] = [],
  ) {
    this.#silent = silent;
    this.configurations = new Configurations(initial);
    this.#consensus = new Consensus(
      birth,
      (check) => this.guard(check),
      (raft, event, came) => this.#meets(raft, event, came),
    );
    this.#transcript = transcript;
    this.#counters = counters;
    this.safety = new Safety(birth.index + 1, (member, raft) => this.#elected(member, raft));
  }

  /** Right before `event` comes into a core. */
  #meets({ state }: Raft, event: CoreEvent, came: Message | undefined): void {
    const appends = came?.kind === "append" && came.term >= state.term;
    const hides = appends && this.#consensus.commits.isHiddenFrom(came, state.log);
    if (hides) this.#counters.note("append ended before a conflict");
    const times = this.coverage.note(state, event, came, hides === true);
    if (times < RARE) this.onRare(state.id);
  }

  /** A member starts, and found this on its disk. */
  read(member: MemberId, found: Restored): void {
    this.guard(() => changesKnown(member, found));
  }

  /** A member starts a life. Its core is listened to from now on. */
  began(member: MemberId, generation: Generation): void {
    const { raft, state } = generation;
    this.guard(() => {
      const { term, vote } = raft.state;
      this.safety.recovered(member, { term, vote });
      this.agreement.seen(member, state.appliedIndex, digestOf(state));
      if (state.appliedIndex > 0) {
        this.configurations.has(member, state.appliedIndex, state.membership);
      }
    });
    const checkpointed = [...state.leases.values()].some(({ remaining_s }) => remaining_s > 0);
    if (checkpointed) this.#counters.note("start with a checkpointed lease");
    this.onBegan(generation);
    const { number } = generation;
    this.#transcript.record(member, () => `generation ${number}: ${describeState(raft)}`);
    this.#listen(member, generation);
    this.#consensus.began(raft);
  }

  #listen(member: MemberId, { raft, number }: Generation): void {
    const ready = raft.ready.bind(raft);
    const persisted = raft.persisted.bind(raft);
    const writes = new Map<number, { term: number; vote: MemberId }>();
    raft.ready = () => {
      const result = ready();
      this.guard(() => this.safety.look(member, number, raft));
      if (!result) return result;
      if (result.write?.hardState) writes.set(result.write.id, result.write.hardState);
      this.guard(() => this.#ready(member, raft, result));
      return result;
    };
    raft.persisted = (id) => {
      const hard = writes.get(id);
      if (hard) this.guard(() => this.safety.persisted(member, hard));
      writes.delete(id);
      persisted(id);
    };
    const applyChange = raft.applyChange.bind(raft);
    raft.applyChange = (change) => {
      const index = this.#changes.get(change);
      if (index !== undefined) this.#consensus.applies(member, index);
      const membership = applyChange(change);
      if (!membership || index === undefined) return membership;
      this.guard(() => this.configurations.applied(member, index, membership));
      return membership;
    };
  }

  #elected(member: MemberId, raft: Raft): void {
    this.#counters.note("leader elected");
    this.#transcript.record(member, () => `leads term ${raft.state.term}`);
  }

  #ready(member: MemberId, raft: Raft, ready: Ready): void {
    const { write, committed } = ready;
    const { term } = raft.state;
    for (const entry of write?.entries ?? []) {
      const before = raft.state.log.term(entry.index - 1) ?? 0;
      this.#transcript.record(member, () => `writes ${describeEntry(entry).slice(0, 100)}`);
      this.#matching.written(member, logEntryOf(entry), before);
    }
    for (const entry of committed) {
      if (entry.change) this.#changes.set(entry.change, entry.index);
      if (!this.safety.applied(member, logEntryOf(entry), term)) continue;
      const applied = this.reference.append(entry);
      this.agreement.expect(entry.index, this.reference.digest);
      if (applied) this.onApplied(applied);
    }
  }

  sent(message: Message): void {
    this.#consensus.sent(message);
    if (message.kind !== "vote-reply" || !message.granted || message.pre) return;
    this.guard(() => this.#votes.granted(message.from, message.term, message.to));
  }

  applied(member: MemberId, state: State): void {
    this.onMemberApplied(state);
    const looks = (this.#looks.get(member) ?? 0) + 1;
    this.#looks.set(member, looks);
    if (looks % DIGEST_EVERY !== 0) return;
    this.guard(() => this.agreement.seen(member, state.appliedIndex, digestOf(state)));
  }

  /** No member's data differs here, so no member may report a difference. */
  alarmed(member: MemberId, { alarms }: State): void {
    const named = alarms.list(AlarmType.CORRUPT).map(({ memberID }) => memberID);
    const message = `${member} applied a CORRUPT alarm for ${named.join(" and ")}`;
    if (named.length > 0) this.broken ??= new Violation("scrub", message);
  }

  ended(member: MemberId): void {
    this.#transcript.record(member, () => "ends");
    this.safety.ended(member);
  }

  /** A member ended itself for a reason that its disk gave. */
  stopped(member: MemberId, reason: string): void {
    this.#counters.note("member ended itself");
    this.#transcript.record(member, () => `ended itself: ${reason}`);
  }

  /** A member does not start: its disk says things that it never wrote. */
  foundDamage(member: MemberId, reason: string): void {
    this.#counters.note("damage found");
    this.#transcript.record(member, () => `does not start: ${reason}`);
  }

  /** An assertion of the store itself did not hold. */
  broke(member: MemberId, reason: unknown): void {
    const { stack = "" } = reason as { stack?: string };
    const where = stack.split("\n").slice(1, 6).join("\n");
    const message = `member ${member}: ${messageOf(reason)}\n${where}`;
    this.broken ??= reason instanceof Violation ? reason : thrownBy(reason, message);
  }

  /** A checker's finding must not be taken for a failure of the member it was found in. */
  guard(check: () => void): void {
    try {
      check();
    } catch (thrown) {
      // A look that meets a damaged block says nothing about what the member would serve.
      if (isDamage(thrown)) return;
      if (!(thrown instanceof Violation)) throw thrown;
      if (!this.#silent.includes(thrown.checker)) this.broken ??= thrown;
    }
  }
}
