import { expect, test } from "vitest";
import { smallOptions } from "../../testing/raft/limits.ts";
import { initialMembership } from "./membership.ts";
import type { Message } from "./message.ts";
import { Raft } from "./raft.ts";
import type { Entry } from "./types.ts";

const entry = (index: number, term: number): Entry => {
  return { index, term, data: Buffer.from(`${index}`), change: undefined };
};

/** Member 1 of three, in term 5, with entries of these terms, all of them committed. */
function memberWith(...terms: number[]): Raft {
  return new Raft(smallOptions(), {
    hardState: { term: 5, vote: 0n, commit: terms.length },
    base: { index: 0, term: 0 },
    entries: terms.map((term, i) => entry(i + 1, term)),
    applied: terms.length,
    membership: initialMembership([1n, 2n, 3n]),
  });
}

const envelope = { from: 2n, to: 1n, term: 5 } as const;

const conflict = (index: number, own: number, term: number) =>
  expect.objectContaining({
    code: "COMMIT_CONFLICT",
    message:
      `entry ${index} is committed here in the form of term ${own}, ` +
      `and member 2 has committed one of term ${term} there`,
  });

function send(raft: Raft, message: Partial<Message> & { kind: Message["kind"] }): void {
  raft.step({ ...envelope, ...message } as Message);
}

test("a member ends that has committed another entry than its leader has before the append", () => {
  const raft = memberWith(1, 2, 2);
  const after = { prevIndex: 3, prevTerm: 4, commit: 3, entries: [entry(4, 5)] };
  send(raft, { kind: "append", ...after });
  expect(raft.state.fatal).toEqual(conflict(3, 2, 4));
  // The leader is notified.
  expect(raft.ready()!.messages).toMatchObject([{ to: 2n, commit: 3, commitTerm: 2 }]);
});

test("a member ends that has committed another entry than its leader has in the append", () => {
  const raft = memberWith(1, 2, 2);
  const entries = [entry(2, 2), entry(3, 4), entry(4, 5)];
  const after = { prevIndex: 1, prevTerm: 1, commit: 4, entries };
  send(raft, { kind: "append", ...after });
  expect(raft.state.fatal).toEqual(conflict(3, 2, 4));
  expect(raft.state.log.term(3)).toBe(2);
});

test("a member ends that has committed another entry than a snapshot ends with", () => {
  const raft = memberWith(1, 2, 2);
  const mark = { index: 3, term: 4, membership: initialMembership([1n, 2n, 3n]) };
  send(raft, { kind: "snapshot", mark });
  expect(raft.state.fatal).toEqual(conflict(3, 2, 4));
});

test("what is not committed by its leader is neither taken nor acknowledged", () => {
  const raft = memberWith(1, 2, 2);
  send(raft, { kind: "append", prevIndex: 2, prevTerm: 2, commit: 2, entries: [entry(3, 4)] });
  send(raft, { kind: "append", prevIndex: 3, prevTerm: 4, commit: 2, entries: [] });
  const { messages, messagesAfterPersist, write } = raft.ready() ?? {};
  expect([messages ?? [], messagesAfterPersist ?? [], write?.entries ?? []]).toEqual([[], [], []]);
  expect(raft.state.fatal).toBeUndefined();
  expect(raft.state.log.term(3)).toBe(2);
});

test("an append from before the commit index that agrees is answered with that index", () => {
  const raft = memberWith(1, 2, 2);
  send(raft, { kind: "append", prevIndex: 1, prevTerm: 1, commit: 1, entries: [entry(2, 2)] });
  const answers = raft.ready()!.messagesAfterPersist;
  expect(answers).toMatchObject([{ kind: "append-reply", index: 3, reject: false }]);
});

test.each([5, 6])("no vote for one that has committed something else, in its term %s", (term) => {
  const raft = memberWith(1, 2, 2);
  const log = { lastIndex: 9, lastTerm: 5, transfer: false };
  send(raft, { kind: "vote", term, pre: false, ...log, commit: 2, commitTerm: 1 });
  const { messages, messagesAfterPersist } = raft.ready()!;
  expect(messagesAfterPersist).toEqual([]);
  // It names the index that the other asked about, though more is committed here.
  expect(messages).toMatchObject([{ granted: false, commit: 2, commitTerm: 2 }]);
});

test("an answer to a pre-vote of an old term names the conflict too", () => {
  const raft = memberWith(1, 2, 2);
  const log = { lastIndex: 9, lastTerm: 5, transfer: false };
  send(raft, { kind: "vote", term: 4, pre: true, ...log, commit: 2, commitTerm: 1 });
  expect(raft.ready()!.messages).toMatchObject([{ term: 5, commit: 2, commitTerm: 2 }]);
});

test("a candidate ends when it would have to stand again and a majority contradicts it", () => {
  const raft = memberWith(1, 2, 2);
  for (const from of [2n, 3n]) {
    raft.campaign();
    send(raft, { kind: "vote-reply", from, pre: true, granted: false, commit: 2, commitTerm: 1 });
    expect(raft.state.fatal).toBeUndefined();
  }
  raft.campaign();
  expect(raft.state.fatal).toEqual(conflict(2, 2, 1));
});

test("a candidate goes on that one of three contradicts, while the third is down", () => {
  const raft = memberWith(1, 2, 2);
  for (let ballot = 0; ballot < 3; ballot++) {
    raft.campaign();
    send(raft, { kind: "vote-reply", pre: true, granted: false, commit: 2, commitTerm: 1 });
    expect(raft.state.fatal).toBeUndefined();
  }
  // It is back, and elects this member.
  for (const pre of [true, false]) {
    const write = raft.ready()?.write;
    if (write) raft.persisted(write.id);
    for (const from of [1n, 3n]) {
      const news = { commit: 0, commitTerm: 0 };
      send(raft, { kind: "vote-reply", from, term: 6, pre, granted: true, ...news });
    }
  }
  expect(raft.isLeader).toBe(true);
});

test("a candidate that meets a conflict and finds a leader goes on", () => {
  const raft = memberWith(1, 2, 2);
  raft.campaign();
  send(raft, { kind: "vote-reply", pre: true, granted: false, commit: 2, commitTerm: 1 });
  send(raft, { kind: "heartbeat", from: 3n, commit: 3, readId: 0 });
  raft.campaign();
  expect(raft.state.role).toBe("pre-candidate");
});

test("a leader goes on, and knows whose answer to a heartbeat contradicts it", () => {
  const raft = memberWith(1, 2, 2);
  raft.campaign();
  for (const pre of [true, false]) {
    const write = raft.ready()?.write;
    if (write) raft.persisted(write.id);
    const news = { commit: 0, commitTerm: 0 };
    for (const from of [1n, 3n]) {
      send(raft, { kind: "vote-reply", from, term: 6, pre, granted: true, ...news });
    }
  }
  expect(raft.isLeader).toBe(true);
  const answer = { kind: "heartbeat-reply", term: 6, readId: 0 } as const;
  send(raft, { ...answer, commit: 3, commitTerm: 2 });
  // Entries that it has not committed itself, and messages of releases without this field.
  send(raft, { ...answer, commit: 4, commitTerm: 3 });
  send(raft, { ...answer, commit: 0, commitTerm: 0 });
  expect(raft.state.conflicts.size).toBe(0);
  send(raft, { ...answer, commit: 3, commitTerm: 4 });
  send(raft, { ...answer, commit: 2, commitTerm: 3 });
  send(raft, { ...answer, from: 3n, commit: 2, commitTerm: 3 });
  // Each member once, with its first report.
  expect([...raft.state.conflicts.values()]).toEqual([
    { member: 2n, index: 3, term: 4 },
    { member: 3n, index: 2, term: 3 },
  ]);
  // Without a majority it steps down, and stands again.
  while (raft.isLeader) raft.tick();
  raft.campaign();
  expect(raft.state).toMatchObject({ role: "pre-candidate", fatal: undefined });
});
