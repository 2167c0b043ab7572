import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { TestCluster } from "../../testing/raft/cluster.ts";
import { smallOptions } from "../../testing/raft/limits.ts";
import { initialMembership } from "./membership.ts";
import type { Message } from "./message.ts";
import { Raft } from "./raft.ts";
import type { Entry } from "./types.ts";

function entry(index: number, term: number): Entry {
  return { index, term, data: Buffer.from(`${index}`), change: undefined };
}

function grant(from: bigint, term: number, pre: boolean): Message {
  const news = { commit: 0, commitTerm: 0 };
  return { kind: "vote-reply", from, to: 1n, term, pre, granted: true, ...news };
}

/** Member 1 with a log from earlier terms, elected leader of term 3. */
function electedWithOldLog(voters = [1n, 2n, 3n]): Raft {
  const raft = new Raft(smallOptions(), {
    hardState: { term: 2, vote: 1n, commit: 1 },
    base: { index: 0, term: 0 },
    entries: [entry(1, 1), entry(2, 2)],
    applied: 0,
    membership: initialMembership(voters),
  });
  raft.campaign();
  for (const pre of [true, false]) {
    drain(raft);
    for (const from of [2n, 3n]) raft.step(grant(from, 3, pre));
  }
  drain(raft);
  return raft;
}

/** Completes all writes immediately; returns the messages. */
function drain(raft: Raft): Message[] {
  const messages: Message[] = [];
  for (let ready = raft.ready(); ready; ready = raft.ready()) {
    messages.push(...ready.messages);
    if (ready.write) raft.persisted(ready.write.id);
    for (const message of ready.messagesAfterPersist) {
      if (message.to === raft.state.id) raft.step(message);
    }
    const last = ready.committed.at(-1);
    if (last) raft.appliedTo(last.index, 0);
  }
  return messages;
}

function appended(from: bigint, index: number, term: number): Message {
  const accepted = { reject: false, hintIndex: 0, hintTerm: 0 };
  return { kind: "append-reply", from, to: 1n, term, index, ...accepted };
}

describe("Raft section 5.4.2: committing entries of earlier terms", () => {
  test("copies on a majority do not commit an entry of an earlier term (figure 8)", () => {
    const raft = electedWithOldLog();
    expect(raft.isLeader).toBe(true);
    raft.step(appended(2n, 2, 3));
    expect(raft.state.log.committed).toBe(1);
    raft.step(appended(2n, 3, 3));
    expect(raft.state.log.committed).toBe(3);
  });
});

describe("Raft section 5.2: elections", () => {
  test("a candidate's own vote does not count before it is durable", () => {
    const cluster = new TestCluster({ random: seededRandom(1) });
    cluster.addVoters(1);
    const member = cluster.get(1n);
    member.raft.campaign();
    member.process();
    expect(member.raft.state.role).toBe("candidate");
    member.sync();
    expect(member.raft.isLeader).toBe(true);
  });

  test("a candidate asks for votes once its own is durable, and stands once in a term", () => {
    const cluster = new TestCluster({ random: seededRandom(1) });
    cluster.addVoters(3);
    const candidate = cluster.get(1n);
    candidate.raft.campaign();
    candidate.process();
    candidate.sync();
    candidate.raft.step(grant(2n, 1, true));
    expect(candidate.raft.state).toMatchObject({ role: "candidate", term: 1 });
    expect(candidate.process()!.messages).toEqual([]);
    const asked = candidate.sync().map(({ kind, to, term }) => [kind, to, term]);
    expect(asked).toEqual([
      ["vote", 2n, 1],
      ["vote", 3n, 1],
    ]);
    candidate.crash();
    expect(candidate.raft.state).toMatchObject({ term: 1, vote: 1n });
  });

  test.each([true, false])("what a ballot says is committed counts (granted: %s)", (granted) => {
    const raft = new Raft(smallOptions(), {
      hardState: { term: 2, vote: granted ? 2n : 3n, commit: 0 },
      base: { index: 0, term: 0 },
      entries: [entry(1, 1), entry(2, 2)],
      applied: 0,
      membership: initialMembership([1n, 2n, 3n]),
    });
    const log = { lastIndex: 2, lastTerm: 2, commit: 1, commitTerm: 1 };
    raft.step({ kind: "vote", from: 2n, to: 1n, term: 2, pre: false, transfer: false, ...log });
    const ready = raft.ready()!;
    const answers = [...ready.messages, ...ready.messagesAfterPersist];
    expect(answers).toMatchObject([{ granted, commit: 1 }]);
    expect(raft.state.log.committed).toBe(1);
  });

  test("the cluster's checker finds two leaders of a term", () => {
    const cluster = new TestCluster({ random: seededRandom(1) });
    cluster.addVoters(3);
    const elect = (id: bigint) => {
      const { raft } = cluster.get(id);
      raft.campaign();
      for (const pre of [true, false]) {
        cluster.get(id).process();
        cluster.get(id).sync();
        raft.step({ ...grant(3n, 1, pre), to: id });
      }
    };
    elect(1n);
    expect(() => elect(2n)).toThrow(/election safety/i);
  });

  test("a vote is given once in a term", () => {
    const cluster = new TestCluster({ random: seededRandom(1) });
    cluster.addVoters(3);
    const { raft } = cluster.get(3n);
    const ask = (from: bigint): Message => ({
      kind: "vote",
      from,
      to: 3n,
      term: 1,
      pre: false,
      lastIndex: 0,
      lastTerm: 0,
      transfer: false,
      commit: 0,
      commitTerm: 0,
    });
    raft.step(ask(1n));
    raft.step(ask(2n));
    expect(raft.state.vote).toBe(1n);
    raft.step(ask(1n));
    const ready = raft.ready()!;
    expect(ready.messagesAfterPersist.map(({ to }) => to)).toEqual([1n, 1n]);
    expect(ready.messages).toMatchObject([{ kind: "vote-reply", to: 2n, granted: false }]);
  });
});

describe("Raft figure 3: what is broken ends the member", () => {
  test("election safety: a leader does not follow another of its own term", () => {
    const raft = electedWithOldLog();
    const heartbeat = { kind: "heartbeat", from: 2n, to: 1n, commit: 0, readId: 0 } as const;
    expect(() => raft.step({ ...heartbeat, term: 3 })).toThrow("leads term 3 too");
  });

  test("S8: a log that ends before an acknowledged entry has lost durable entries", () => {
    const raft = new Raft(smallOptions(), {
      hardState: { term: 2, vote: 2n, commit: 1 },
      base: { index: 0, term: 0 },
      entries: [entry(1, 1), entry(2, 2)],
      applied: 0,
      membership: initialMembership([1n, 2n, 3n]),
    });
    const heartbeat = { kind: "heartbeat", from: 2n, to: 1n, term: 2, readId: 0 } as const;
    raft.step({ ...heartbeat, commit: 2 });
    expect(raft.state.log.committed).toBe(2);
    const lost = expect.objectContaining({ code: "LOG_LOST" });
    expect(() => raft.step({ ...heartbeat, commit: 3 })).toThrow(lost);
  });

  test("S8: a log that ends before its own commit index does not start", () => {
    const restored = {
      hardState: { term: 1, vote: 1n, commit: 2 },
      base: { index: 0, term: 0 },
      entries: [entry(1, 1)],
      applied: 0,
      membership: initialMembership([1n, 2n, 3n]),
    };
    const start = () => new Raft(smallOptions(), restored);
    expect(start).toThrow("committed 2 is beyond the log's end 1");
  });
});

describe("Dissertation section 10.2.1: writing to the disk in parallel", () => {
  test("the leader's own entry counts once it is durable, the followers' may come first", () => {
    const cluster = new TestCluster({ random: seededRandom(1) });
    cluster.addVoters(3);
    const leader = cluster.elect();
    leader.raft.propose([Buffer.from("x")]);
    const { index } = { index: leader.raft.state.log.lastIndex };
    const ready = leader.process()!;
    expect(ready.messages.filter(({ kind }) => kind === "append").length).toBe(2);
    cluster.post(ready.messages);
    for (const message of cluster.network.splice(0)) cluster.deliver(message);
    for (const follower of cluster.members.values()) {
      if (follower === leader) continue;
      follower.process();
      for (const message of follower.sync()) cluster.deliver(message);
    }
    expect(leader.raft.state.log.committed).toBe(index);
    // Committed by the others; applied here only when it is on our disk too.
    expect(leader.process()!.committed).toEqual([]);
    leader.sync();
    expect(leader.process()!.committed.map((each) => each.index)).toEqual([index]);
  });
});

test("an entry that is overwritten and comes back is durable with its last write (ABA)", () => {
  const raft = new Raft(smallOptions(), {
    hardState: { term: 1, vote: 2n, commit: 1 },
    base: { index: 0, term: 0 },
    entries: [entry(1, 1)],
    applied: 1,
    membership: initialMembership([1n, 2n, 3n]),
  });
  const after = { kind: "append", to: 1n, prevIndex: 1, prevTerm: 1 } as const;
  raft.step({ ...after, from: 2n, term: 1, entries: [entry(2, 1)], commit: 1 });
  const first = raft.ready()!.write!;
  raft.step({ ...after, from: 3n, term: 2, entries: [entry(2, 2)], commit: 1 });
  const second = raft.ready()!.write!;
  raft.step({ ...after, from: 2n, term: 3, entries: [entry(2, 1), entry(3, 3)], commit: 3 });
  const third = raft.ready()!.write!;
  expect(third.entries).toMatchObject([
    { index: 2, term: 1 },
    { index: 3, term: 3 },
  ]);
  // On the disk, the entry of term 2 is still to overwrite what the first write has left.
  for (const { id } of [first, second]) {
    raft.persisted(id);
    expect(raft.state.log.persisted).toBe(1);
    expect(raft.ready()?.committed ?? []).toEqual([]);
  }
  raft.persisted(third.id);
  expect(raft.ready()!.committed.map(({ index }) => index)).toEqual([2, 3]);
});

describe("bounds", () => {
  test("proposals beyond the uncommitted bound are refused, one alone is always taken", () => {
    const raft = electedWithOldLog();
    expect(raft.propose([Buffer.alloc(200)])).toMatchObject({ index: 4 });
    expect(raft.propose([Buffer.alloc(1)])).toEqual({ refused: "too-much-uncommitted" });
  });

  test("reads beyond the bound are refused", () => {
    const raft = electedWithOldLog();
    expect([1, 2, 3].map((id) => raft.requestReadIndex(id))).toEqual([
      undefined,
      undefined,
      "too-many-reads",
    ]);
  });

  test("the window of appends is bounded, and opens with the answers", () => {
    const raft = electedWithOldLog();
    raft.step(appended(2n, 3, 3));
    drain(raft);
    const appends = () => drain(raft).filter(({ kind, to }) => kind === "append" && to === 2n);
    let sent = 0;
    for (let i = 0; i < 10; i++) {
      raft.propose([Buffer.from("x")]);
      sent += appends().length;
    }
    expect(sent).toBe(smallOptions().inflightAppends_max);
    raft.step(appended(2n, 7, 3));
    expect(appends().length).toBeGreaterThan(0);
  });
});

/** Applies what is committed, changes of membership included. */
function drainChanges(raft: Raft): Message[] {
  const messages: Message[] = [];
  for (let ready = raft.ready(); ready; ready = raft.ready()) {
    messages.push(...ready.messages);
    if (ready.write) raft.persisted(ready.write.id);
    for (const { change, index } of ready.committed) {
      if (change) raft.applyChange(change);
      raft.appliedTo(index, 0);
    }
  }
  return messages;
}

const simply = { transition: "auto" as const, context: Buffer.alloc(0) };

describe("Dissertation section 4.2: newcomers, and leaders that go", () => {
  test("a newcomer is asked where it stands as soon as the change is applied", () => {
    const raft = electedWithOldLog();
    raft.step(appended(2n, 3, 3));
    drainChanges(raft);
    raft.proposeChange({ ...simply, steps: [{ action: "add-learner", member: 4n }] });
    raft.step(appended(2n, 4, 3));
    const probes = drainChanges(raft).filter(({ kind, to }) => kind === "append" && to === 4n);
    expect(probes).toMatchObject([{ prevIndex: 4, entries: [] }]);
  });

  test("4.2.2: a leader that votes no more hands over to one that answers", () => {
    const raft = electedWithOldLog([1n, 2n, 3n, 4n]);
    for (const from of [2n, 3n, 4n]) raft.step(appended(from, 3, 3));
    drainChanges(raft);
    raft.proposeChange({ ...simply, steps: [{ action: "remove", member: 1n }] });
    for (const from of [2n, 3n, 4n]) raft.step(appended(from, 4, 3));
    drainChanges(raft);
    const successors: bigint[] = [];
    // From now on member 2 is silent, with all of the log.
    for (let tick = 0; tick < 2 * smallOptions().electionTicks; tick++) {
      for (const from of [3n, 4n]) {
        const news = { commit: 0, commitTerm: 0 };
        raft.step({ kind: "heartbeat-reply", from, to: 1n, term: 3, readId: 0, ...news });
      }
      raft.tick();
      const transfers = drainChanges(raft).filter(({ kind }) => kind === "timeout-now");
      successors.push(...transfers.map(({ to }) => to));
    }
    expect(successors.at(-1)).toBe(3n);
  });
});

test("S2: pending reads are answered when the remaining voters have confirmed them", () => {
  const raft = electedWithOldLog([1n, 2n]);
  raft.step(appended(2n, 3, 3));
  drainChanges(raft);
  raft.proposeChange({ ...simply, steps: [{ action: "remove", member: 2n }] });
  for (const id of [7, 8]) raft.requestReadIndex(id);
  expect(raft.requestReadIndex(9)).toBe("too-many-reads");
  drainChanges(raft);
  raft.step(appended(2n, 4, 3));
  const reads: number[] = [];
  for (let ready = raft.ready(); ready; ready = raft.ready()) {
    reads.push(...ready.reads.map(({ readId }) => readId));
    if (ready.write) raft.persisted(ready.write.id);
    for (const { change, index } of ready.committed) {
      if (change) raft.applyChange(change);
      raft.appliedTo(index, 0);
    }
  }
  expect(reads).toEqual([7, 8]);
  expect(raft.requestReadIndex(9)).toBeUndefined();
});

describe("S9: dissertation section 4.1 and its correction", () => {
  test("no change of membership before an entry of the leader's own term is committed", () => {
    const raft = electedWithOldLog();
    const change = {
      steps: [{ action: "add-voter" as const, member: 4n }],
      transition: "auto" as const,
      context: Buffer.alloc(0),
    };
    expect(raft.proposeChange(change)).toEqual({ refused: "term-not-committed" });
    raft.step(appended(2n, 3, 3));
    expect(raft.proposeChange(change)).toEqual({ refused: "membership-pending" });
    drain(raft);
    expect(raft.proposeChange(change)).toMatchObject({ index: 4 });
    expect(raft.proposeChange(change)).toEqual({ refused: "membership-pending" });
  });
});
