import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { TestMember, type TestOptions } from "./member.ts";
import { observe } from "./observe.ts";
import { SafetyChecker } from "./safety.ts";

/**
 * Members and the messages between them, which the test delivers. The properties of Raft are
 * checked after each input of a core, whether the cluster or the test makes it.
 */
export class TestCluster {
  readonly members = new Map<MemberId, TestMember>();
  readonly safety = new SafetyChecker();
  readonly #isChecked: boolean;
  readonly #options: TestOptions;
  network: Message[] = [];
  /** Pairs `from>to` whose messages are lost. */
  readonly cut = new Set<string>();

  /** A simulation with a checker of its own, which names what happened, sets `isChecked` false. */
  constructor(options: TestOptions, isChecked = true) {
    this.#options = options;
    this.#isChecked = isChecked;
  }

  add(id: MemberId, membership: Membership): TestMember {
    const member = new TestMember(id, membership, this.#options, (started) => {
      if (this.#isChecked) this.#check(started);
    });
    this.members.set(id, member);
    return member;
  }

  #check(member: TestMember): void {
    const after = () => this.safety.checkMember(member);
    observe(member.raft, { before: () => undefined, after });
  }

  addVoters(count: number): void {
    const ids = Array.from({ length: count }, (_, i) => BigInt(i + 1));
    for (const id of ids) this.add(id, initialMembership(ids));
  }

  get(id: MemberId): TestMember {
    const member = this.members.get(id);
    if (!member) throw new RangeError(`no member ${id}`);
    return member;
  }

  leader(): TestMember | undefined {
    const leaders = [...this.members.values()].filter(({ raft }) => raft.isLeader);
    return leaders.sort((a, b) => b.raft.state.term - a.raft.state.term)[0];
  }

  post(messages: Message[]): void {
    for (const message of messages) {
      if (this.cut.has(`${message.from}>${message.to}`)) this.lose(message);
      else this.network.push(message);
    }
  }

  /** Loses a message; the sender of a snapshot is notified. */
  lose(message: Message): void {
    if (message.kind !== "snapshot") return;
    this.members.get(message.from)?.raft.reportSnapshot(message.to, false);
  }

  /** Hands a message over; a snapshot brings its state along. */
  deliver(message: Message): void {
    const member = this.members.get(message.to);
    if (!member || this.cut.has(`${message.from}>${message.to}`)) return this.lose(message);
    if (message.kind !== "snapshot") return member.raft.step(message);
    const sender = this.get(message.from);
    const before = member.raft.state.log.committed;
    member.raft.step(message);
    sender.raft.reportSnapshot(message.to, true);
    const { log } = member.raft.state;
    if (log.base.index === message.mark.index && before < message.mark.index) {
      member.stage(message.mark, sender.disk.state);
    }
  }

  /** Runs until nothing is left to do: every write durable, every message delivered. */
  settle(limit = 10_000): void {
    for (let round = 0; round < limit; round++) {
      let busy = false;
      for (const member of this.members.values()) {
        for (let ready = member.process(); ready; ready = member.process()) {
          this.post(ready.messages);
          busy = true;
        }
        while (member.pending.length > 0) this.post(member.sync());
      }
      const messages = this.network;
      this.network = [];
      for (const message of messages) this.deliver(message);
      if (!busy && messages.length === 0) return;
    }
    throw new Error(`the cluster did not settle in ${limit} rounds`);
  }

  /** Ticks everyone until a member leads. */
  elect(limit = 100): TestMember {
    for (let tick = 0; tick < limit; tick++) {
      for (const { raft } of this.members.values()) raft.tick();
      this.settle();
      const leader = this.leader();
      if (leader) return leader;
    }
    throw new Error(`no leader after ${limit} ticks`);
  }
}
