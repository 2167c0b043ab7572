import { hash } from "node:crypto";
import { seededRandom } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { MemberId, Membership, MembershipChange } from "@raft2kube/store/core/types.ts";
import { TestCluster } from "../../../testing/raft/cluster.ts";
import { Consensus } from "../../../testing/raft/consensus.ts";
import { describeMessage, describeReady } from "../../../testing/raft/describe.ts";
import type { TestMember } from "../../../testing/raft/member.ts";
import { SafetyChecker } from "../../../testing/raft/safety.ts";
import type { Seams } from "../cluster/seams.ts";

/** The explored setting: its members, and the changes that are proposed in order. */
export interface Scenario {
  readonly name: string;
  readonly voters: number;
  /** Members that run and are in no configuration at first. */
  readonly spares: number;
  readonly changes: readonly MembershipChange[];
}

/** Something that may happen next. */
export type Step =
  | { readonly kind: "deliver"; readonly message: Message }
  | { readonly kind: "sync"; readonly member: MemberId }
  | { readonly kind: "propose"; readonly change: MembershipChange }
  | { readonly kind: "crash"; readonly member: MemberId }
  | { readonly kind: "timeout-now"; readonly member: MemberId }
  | { readonly kind: "lose"; readonly message: Message };

/** A message under way, or the oldest write of a member. */
type Pending = { message: Message } | { member: MemberId };

const NOBODY: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Bare cores with their disks and the messages between them; it throws when a property breaks. */
export class ExploredCluster {
  readonly #cluster = new TestCluster({ random: seededRandom(1), heartbeatTicks: 10 }, false);
  readonly #safety = new SafetyChecker();
  readonly #consensus: Consensus;
  readonly #seams: Pick<Seams, "raft">;
  readonly #changes: MembershipChange[];
  /** Pending messages and disk writes, oldest first. */
  #pending: Pending[] = [];
  /** Descriptions of members since their last step, and of messages. */
  readonly #described = new Map<MemberId, string>();
  readonly #names = new WeakMap<Message, string>();
  crashes = 0;
  elections = 0;

  constructor(scenario: Scenario, seams: Pick<Seams, "raft">) {
    this.#seams = seams;
    this.#changes = [...scenario.changes];
    const fail = (check: () => void) => check();
    this.#consensus = new Consensus({ index: 0, term: 0 }, fail, () => undefined);
    this.#cluster.addVoters(scenario.voters);
    for (let i = 1; i <= scenario.spares; i++) {
      this.#cluster.add(BigInt(scenario.voters + i), { ...NOBODY });
    }
    for (const member of this.members) this.#began(member);
    this.#cluster.get(1n).raft.campaign();
    this.#process(this.#cluster.get(1n));
    this.#settle();
    // The log of no member starts with the cluster's: one that joins needs a snapshot (SPEC).
    for (const member of this.members) member.compact(0);
  }

  get members(): TestMember[] {
    return [...this.#cluster.members.values()];
  }

  /** The steps that may come next; the first is what a cluster without mishaps does. */
  next(): Step[] {
    const steps = this.#pending.map((each): Step => {
      return "message" in each ? { kind: "deliver", ...each } : { kind: "sync", ...each };
    });
    const change = this.#changes[0];
    if (change) {
      const takes = this.members.some(({ raft }) => raft.isLeader);
      if (takes) steps.push({ kind: "propose", change });
    }
    return distinct(steps);
  }

  /** Returns the faults that are possible now. */
  mishaps(): Step[] {
    const steps: Step[] = [];
    for (const { id, raft } of this.members) {
      if (this.crashes < 1) steps.push({ kind: "crash", member: id });
      const votes = raft.state.voterSets.voters.has(id);
      if (this.elections < 1 && votes && raft.state.role === "follower") {
        steps.push({ kind: "timeout-now", member: id });
      }
    }
    const oldest = this.#pending.find((each) => "message" in each);
    if (oldest) steps.push({ kind: "lose", ...oldest });
    return steps;
  }

  take(step: Step): void {
    for (const member of this.#touched(step)) this.#described.delete(member);
    switch (step.kind) {
      case "deliver":
        this.#remove(step.message);
        this.#cluster.deliver(step.message);
        this.#process(this.#cluster.members.get(step.message.to));
        break;
      case "lose":
        this.#remove(step.message);
        break;
      case "sync":
        this.#sync(this.#cluster.get(step.member));
        break;
      case "propose":
        this.#propose(step.change);
        break;
      case "crash":
        this.#crash(this.#cluster.get(step.member));
        break;
      case "timeout-now":
        this.#record(this.#cluster.get(step.member));
        break;
    }
    this.#safety.check(this.#cluster);
  }

  /** The sender of a snapshot learns how its sending has ended. */
  #touched(step: Step): Iterable<MemberId> {
    if ("member" in step) return [step.member];
    return step.kind === "deliver" ? [step.message.to, step.message.from] : this.#described.keys();
  }

  #remove(message: Message): void {
    const isOther = (each: Pending) => !("message" in each) || each.message !== message;
    this.#pending = this.#pending.filter(isOther);
  }

  #began(member: TestMember): void {
    const { raft, id } = member;
    this.#seams.raft?.(raft);
    this.#consensus.began(raft);
    this.#listen(id, raft);
  }

  /** Reports to the checks at which index a change is put into effect. */
  #listen(id: MemberId, raft: Raft): void {
    const { ready, applyChange } = raft;
    const indexes = new Map<MembershipChange, number>();
    raft.ready = () => {
      const result = ready.call(raft);
      for (const { change, index } of result?.committed ?? []) {
        if (change) indexes.set(change, index);
      }
      return result;
    };
    raft.applyChange = (change) => {
      this.#consensus.applies(id, indexes.get(change)!);
      return applyChange.call(raft, change);
    };
  }

  /** Executes a core's output, except its writes: those wait for a step of their own. */
  #process(member: TestMember | undefined): void {
    if (!member) return;
    for (;;) {
      const writes = member.pending.length;
      const ready = member.process();
      if (!ready) return;
      this.#post(ready.messages);
      if (member.pending.length > writes) this.#pending.push({ member: member.id });
    }
  }

  #sync(member: TestMember): void {
    const at = this.#pending.findIndex((each) => "member" in each && each.member === member.id);
    this.#pending.splice(at, 1);
    this.#post(member.sync());
    this.#process(member);
  }

  #post(messages: Message[]): void {
    for (const message of messages) {
      this.#consensus.sent(message);
      if (this.#cluster.members.has(message.to)) this.#pending.push({ message });
    }
  }

  #propose(change: MembershipChange): void {
    const leaders = this.members.filter(({ raft }) => raft.isLeader);
    for (const leader of leaders) {
      const proposed = leader.raft.proposeChange(change);
      if (typeof proposed === "string" || "refused" in proposed) continue;
      this.#changes.shift();
      this.#process(leader);
      return;
    }
  }

  #crash(member: TestMember): void {
    this.crashes++;
    const isOther = (each: Pending) => !("member" in each) || each.member !== member.id;
    this.#pending = this.#pending.filter(isOther);
    member.crash();
    this.#began(member);
    this.#process(member);
  }

  /** A hand-over that its leader has forgotten: the others do not hold on to that leader. */
  #record(member: TestMember): void {
    this.elections++;
    const { id, term } = member.raft.state;
    const from = this.members.find((other) => other !== member)!.id;
    member.raft.step({ kind: "timeout-now", from, to: id, term });
    this.#process(member);
  }

  #settle(): void {
    while (this.#pending.length > 0) this.take(this.next()[0]!);
  }

  /** All of it, equal for equal states. A step changes few members: the others are known. */
  fingerprint(): string {
    const members = this.members.map((member) => {
      const known = this.#described.get(member.id) ?? describeMember(member);
      this.#described.set(member.id, known);
      return known;
    });
    const pending = this.#pending.map((each) => {
      return "message" in each ? this.#name(each.message) : `write of ${each.member}`;
    });
    const all = [...members, ...pending, this.#changes.length, this.crashes, this.elections];
    return hash("sha1", all.join("\n"), "base64");
  }

  /** A message is looked at for as long as it is pending. */
  #name(message: Message): string {
    const known = this.#names.get(message) ?? describeMessage(message);
    this.#names.set(message, known);
    return known;
  }
}

/** The parts of a member that distinguish states. */
function describeMember({ raft, disk, pending }: TestMember): string {
  const { state } = raft;
  const { role, term, vote, leader, membership, log, applied } = state;
  const entries = log.slice(log.firstIndex, Infinity).map((e) => `${e.index}/${e.term}`);
  const leading = state.role === "leader" ? state : undefined;
  const votes = "votes" in state && state.votes ? [...state.votes] : [];
  const progress = [...(leading?.progress ?? [])].map(([id, p]) => {
    const { match, next, paused, recentActive, inflights } = p;
    return [id, p.state, match, next, paused, recentActive, inflights.count].join();
  });
  const writes = pending.map(({ write, after }) => {
    return describeReady({
      write,
      messages: [],
      messagesAfterPersist: after,
      committed: [],
      reads: [],
    }).join();
  });
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  return [
    [role, term, vote, leader, voters, outgoing, learners, applied, leading?.pendingChangeIndex],
    [learnersNext, autoLeave, log.firstIndex, state.conflicts.size],
    [log.committed, log.persisted, state.durableCommit, ...entries],
    [...progress, ...votes.map(String), leading?.transferee, ...writes],
    [disk.hardState.term, disk.hardState.vote, disk.hardState.commit],
    disk.entries.map((e) => `${e.index}/${e.term}`),
  ].join("|");
}

/** Leaves out the writes of a member after its oldest. */
function distinct(steps: Step[]): Step[] {
  return steps.filter((step, i) => {
    if (step.kind !== "sync") return true;
    return steps.findIndex((s) => s.kind === "sync" && s.member === step.member) === i;
  });
}
