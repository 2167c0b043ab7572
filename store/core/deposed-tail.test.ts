import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { TestCluster } from "../../testing/raft/cluster.ts";
import type { Message } from "./message.ts";

const OLD = 1n;
const NEW = 2n;
const MEMBER = 5n;
const OTHERS = [NEW, 3n, 4n];

/** Five members; an append carries one entry. */
class Schedule {
  readonly cluster = new TestCluster({ random: seededRandom(1), appendBytes_max: 1 });

  constructor() {
    this.cluster.addVoters(5);
    this.raft(OLD).campaign();
    this.settle();
  }

  raft(id: bigint) {
    return this.cluster.get(id).raft;
  }

  settle(): void {
    this.cluster.settle();
    this.cluster.safety.check(this.cluster);
  }

  propose(id: bigint, ...commands: string[]): void {
    for (const command of commands) this.raft(id).propose([Buffer.from(command)]);
  }

  cut(from: readonly bigint[], to: readonly bigint[]): void {
    for (const a of from) for (const b of to) this.cluster.cut.add(`${a}>${b}`);
  }

  apart(one: readonly bigint[], two: readonly bigint[]): void {
    this.cut(one, two);
    this.cut(two, one);
  }

  join(...links: [from: bigint, to: bigint][]): void {
    for (const [a, b] of links) this.cluster.cut.delete(`${a}>${b}`);
  }

  /** One member does what it wants done, but for its writes; what it sends is returned. */
  say(id: bigint): Message[] {
    const member = this.cluster.get(id);
    const sent: Message[] = [];
    for (let ready = member.process(); ready; ready = member.process()) {
      sent.push(...ready.messages);
    }
    return sent;
  }

  /** Messages between two members are exchanged `times` times; no write becomes durable. */
  talk(from: bigint, to: bigint, times: number): Message[] {
    let messages = this.say(from).filter((message) => message.to === to);
    for (let i = 0; i < times; i++) {
      for (const message of messages) this.cluster.deliver(message);
      const [back, other] = i % 2 === 0 ? [to, from] : [from, to];
      messages = this.say(back).filter((message) => message.to === other);
    }
    return messages;
  }
}

test("R 5.3: an append that ends before a deposed leader's tail commits nothing of it", () => {
  const schedule = new Schedule();
  const { cluster } = schedule;
  // All but one member have what the old leader proposes, and it does not learn that they do.
  schedule.apart([OLD], [MEMBER]);
  schedule.cut(OTHERS, [OLD]);
  schedule.propose(OLD, "a", "b", "c");
  schedule.settle();
  schedule.cut([OLD], OTHERS);
  schedule.propose(OLD, "d", "e");
  schedule.settle();
  // They elect another leader, which commits that, and an entry of its own.
  schedule.apart(OTHERS, [MEMBER]);
  schedule.raft(NEW).step({ kind: "timeout-now", from: 3n, to: NEW, term: 1 });
  schedule.settle();
  expect(schedule.raft(NEW).state.log).toMatchObject({ committed: 5, lastIndex: 5 });
  // The member refuses an append of the new term, and forgets that in a crash.
  schedule.join([NEW, MEMBER], [MEMBER, NEW]);
  schedule.raft(NEW).tick();
  const lost = schedule.talk(NEW, MEMBER, 4);
  expect(lost).toMatchObject([{ kind: "append", prevIndex: 1, commit: 5 }]);
  cluster.get(MEMBER).pending.length = 0;
  cluster.get(MEMBER).crash();
  // In the old term it takes all that the old leader has.
  schedule.apart([NEW], [MEMBER]);
  schedule.join([OLD, MEMBER], [MEMBER, OLD]);
  schedule.raft(OLD).tick();
  schedule.settle();
  const { log } = schedule.raft(MEMBER).state;
  expect([log.lastIndex, log.lastTerm, log.committed]).toEqual([6, 1, 1]);
  // The append is sent again: it fits, ends at 2, and says that 5 is committed, where a tail lies.
  schedule.join([NEW, MEMBER]);
  for (const message of lost) cluster.deliver(message);
  expect(log.term(5)).toBe(1);
  expect(log.committed).toBe(2);
  cluster.cut.clear();
  schedule.raft(NEW).tick();
  schedule.settle();
  expect([log.term(5), log.committed]).toEqual([2, 5]);
});
