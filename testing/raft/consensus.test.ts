import { seededRandom } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { Raft } from "@raft2kube/store/core/raft.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { Entry, MemberId } from "@raft2kube/store/core/types.ts";
import { expect, test } from "vitest";
import { acknowledgedIsDurable } from "./checks/acknowledgements.ts";
import { Ballots } from "./checks/ballots.ts";
import { Changes } from "./checks/change-order.ts";
import { Commits } from "./checks/commits.ts";
import { DurableLog, type DurableLogs } from "./checks/durable-logs.ts";
import { Fits } from "./checks/fits.ts";
import { ReadRounds } from "./checks/read-rounds.ts";
import { CORE_OPTIONS } from "./limits.ts";

const BASE = { index: 1, term: 1 };
const VOTERS = [1n, 2n, 3n];
const EMPTY = Buffer.alloc(0);

function entry(index: number, term: number, change = false): Entry {
  const leave = { steps: [], transition: "auto", context: EMPTY } as const;
  return { index, term, data: EMPTY, change: change ? { ...leave, steps: [] } : undefined };
}

/** The core of a member whose log after index 1 has entries of these terms. */
function core(id: MemberId, terms: number[], voters = VOTERS): RaftState {
  const entries = terms.map((term, i) => entry(i + 2, term));
  const restored = {
    hardState: { term: terms.at(-1) ?? 1, vote: 0n, commit: 1 },
    base: BASE,
    entries,
    applied: 1,
    membership: initialMembership(voters),
  };
  const { state } = new Raft({ id, random: seededRandom(1), ...CORE_OPTIONS }, restored);
  return state as RaftState;
}

/** The disks of members as they start. */
function disksOf(...cores: RaftState[]): DurableLogs {
  return new Map(
    cores.map(({ id, term, vote, log }) => {
      return [id, new DurableLog({ term, vote, commit: log.committed }, log)];
    }),
  );
}

test("a disk has what was written last, and nothing behind an entry that replaced another", () => {
  const disk = disksOf(core(1n, [1, 1, 1])).get(1n)!;
  expect([disk.has(1, 1), disk.has(4, 1), disk.lastIndex]).toEqual([true, true, 4]);
  disk.written({ hardState: undefined, entries: [entry(3, 2)], snapshot: undefined });
  expect([disk.has(3, 1), disk.has(3, 2), disk.lastIndex]).toEqual([false, true, 3]);
  const mark = { index: 9, term: 2, membership: initialMembership(VOTERS) };
  disk.written({ hardState: undefined, entries: [], snapshot: mark });
  expect([disk.has(9, 2), disk.lastIndex]).toEqual([true, 9]);
});

test("a leader commits what a quorum has on disk", () => {
  const leader = core(1n, [2, 2]);
  const commits = new Commits(disksOf(leader, core(2n, [2])), BASE);
  leader.log.commitTo(2);
  commits.seen(leader, true);
  expect(commits.last).toBe(2);
  leader.log.commitTo(3);
  expect(() => commits.seen(leader, true)).toThrow("1 commits 3/2 without a quorum");
});

test("a joint configuration commits by a quorum of each half", () => {
  const leader = core(1n, [2]);
  leader.membership = { ...leader.membership, voters: [1n, 4n, 5n], outgoing: [1n, 2n, 3n] };
  const disks = disksOf(leader, core(4n, [2]));
  leader.log.commitTo(2);
  expect(() => new Commits(disks, BASE).seen(leader, true)).toThrow("without a quorum");
  disks.set(2n, new DurableLog({ term: 2, vote: 0n, commit: 1 }, core(2n, [2]).log));
  new Commits(disks, BASE).seen(leader, true);
});

test("a follower commits nothing that no leader has, and nothing else at its index", () => {
  const leader = core(1n, [2, 2]);
  const commits = new Commits(disksOf(leader, core(2n, [2, 2])), BASE);
  leader.log.commitTo(3);
  commits.seen(leader, true);
  const apart = core(3n, [2, 1, 1]);
  apart.log.commitTo(2);
  commits.seen(apart, false);
  apart.log.commitTo(3);
  expect(() => commits.seen(apart, false)).toThrow("3 commits 3/1, others 3/2");
  const ahead = core(2n, [2, 2, 2]);
  ahead.log.commitTo(4);
  expect(() => commits.seen(ahead, false)).toThrow("2 commits 4, leaders 3");
});

test("a follower commits to where an append has shown its log to fit", () => {
  const follower = core(2n, [1, 1, 1]);
  const fits = new Fits();
  const append = { kind: "append", from: 1n, to: 2n, term: 1, commit: 4 } as const;
  const fitting: Message = { ...append, prevIndex: 1, prevTerm: 1, entries: [entry(2, 1)] };
  fits.before(follower, fitting);
  fits.before(follower, { ...append, prevIndex: 4, prevTerm: 2, entries: [] });
  follower.log.commitTo(2);
  fits.committed(follower, fitting);
  fits.committed(follower, undefined);
  const short: Message = { ...append, prevIndex: 1, prevTerm: 1, entries: [] };
  expect(() => fits.committed(follower, short)).toThrow("fits up to 1");
  follower.log.commitTo(3);
  expect(() => fits.committed(follower, undefined)).toThrow("2 commits 3 in term 1");
  fits.committed(follower, { ...granted(3n, 2n, 1), commit: 3, commitTerm: 1 } as Message);
  follower.term = 2;
  follower.log.commitTo(4);
  expect(() => fits.committed(follower, undefined)).toThrow("its log fits up to 0");
});

function granted(from: MemberId, to: MemberId, term: number): Message {
  const news = { commit: 1, commitTerm: 1 };
  return { kind: "vote-reply", from, to, term, pre: false, granted: true, ...news };
}

test("a vote leaves once it is durable, or cannot be given again", () => {
  const disks = disksOf(core(1n, [2]));
  const ballots = new Ballots(disks);
  const reply = granted(1n, 3n, 2);
  expect(() => ballots.sent(reply)).toThrow("with term 2 and vote 0 on disk");
  disks.get(1n)!.hardState = { term: 2, vote: 3n, commit: 1 };
  ballots.sent(reply);
  disks.get(1n)!.hardState = { term: 3, vote: 0n, commit: 1 };
  ballots.sent(reply);
});

test("a leader is elected by a quorum of the configuration that it knows to be committed", () => {
  const candidate = core(1n, [1]);
  Object.assign(candidate, { role: "candidate", term: 2 });
  const ballots = new Ballots(disksOf(candidate));
  ballots.received(candidate, granted(1n, 1n, 2));
  expect(() => ballots.elected(candidate)).toThrow("1 leads term 2 by the votes of 1; of 1 2 3");
  ballots.received(candidate, granted(2n, 1n, 2));
  ballots.elected(candidate);
  const steps = [{ action: "add-voter", member: 4n } as const];
  const change = { steps, transition: "auto" as const, context: EMPTY };
  candidate.log.append({ index: 3, term: 1, data: EMPTY, change });
  candidate.log.commitTo(3);
  expect(() => ballots.elected(candidate)).toThrow("of 1 2 3 4");
});

test("a change follows a committed entry of its term, and every other change once applied", () => {
  const leader = core(1n, [1]);
  Object.assign(leader, { role: "leader", term: 2 });
  const changes = new Changes(disksOf(leader));
  leader.log.append(entry(3, 2, true));
  expect(() => changes.appended(leader, 2)).toThrow("appends the change 3 in term 2");
  leader.log.commitTo(3);
  leader.log.append(entry(4, 2, true));
  expect(() => changes.appended(leader, 3)).toThrow("change 4, 3 is not applied");
  Object.assign(leader, { applied: 3 });
  changes.appended(leader, 3);
  leader.log.append(entry(5, 2, true));
  expect(() => changes.appended(leader, 4)).toThrow("change 5, 4 is not applied");
});

test("a change is in effect once the disk knows that it is committed", () => {
  const member = core(1n, [1, 1]);
  const disks = disksOf(member);
  const changes = new Changes(disks);
  expect(() => changes.applied(1n, 3)).toThrow("applies the change 3, its disk knows of 1");
  disks.get(1n)!.hardState = { term: 1, vote: 0n, commit: 3 };
  changes.applied(1n, 3);
});

test("an acknowledged entry is on disk", () => {
  const disks = disksOf(core(1n, [1, 1]));
  const reply = { kind: "append-reply", from: 1n, to: 2n, term: 1, reject: false } as const;
  acknowledgedIsDurable(disks, { ...reply, index: 3, hintIndex: 0, hintTerm: 0 });
  const early = { ...reply, index: 4, hintIndex: 0, hintTerm: 0 };
  expect(() => acknowledgedIsDurable(disks, early)).toThrow("acknowledges 4, its disk has 3");
});

test("a read is answered by a quorum of voters that was asked after it came", () => {
  const leader = core(1n, [2]);
  Object.assign(leader, { role: "leader", term: 2 });
  leader.membership = { ...leader.membership, learners: [4n] };
  const reads = new ReadRounds();
  const beat = (readId: number): Message => {
    return { kind: "heartbeat", from: 1n, to: 2n, term: 2, commit: 1, readId };
  };
  reads.asked(leader, 1n, 70);
  reads.sent(leader, [beat(1)]);
  reads.asked(leader, 1n, 71);
  reads.answered(leader, 4n, 1);
  expect(() => reads.confirmed(leader, 1n, 70)).toThrow("answers 70 of 1 without a quorum");
  reads.answered(leader, 2n, 1);
  reads.confirmed(leader, 1n, 70);
  expect(() => reads.confirmed(leader, 1n, 71)).toThrow("answers 71 of 1 without a quorum");
  reads.sent(leader, [beat(2)]);
  reads.answered(leader, 3n, 2);
  reads.confirmed(leader, 1n, 71);
  for (const from of [2n, 4n]) reads.asked(leader, from, 72);
  reads.confirmed(leader, 2n, 72);
  expect(() => reads.confirmed(leader, 4n, 72)).toThrow("answers 72 of 4 without a quorum");
});

test("a read index is not behind what was committed when it was asked for", () => {
  const reads = new ReadRounds();
  reads.requested(2n, 9, 5);
  reads.requested(2n, 10, 5);
  reads.safe(2n, 9, 5);
  expect(() => reads.safe(2n, 10, 4)).toThrow("2 reads at 4; 5 was committed when it asked");
});
