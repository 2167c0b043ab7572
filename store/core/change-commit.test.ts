import { expect, test } from "vitest";
import { smallOptions } from "../../testing/raft/limits.ts";
import { initialMembership } from "./membership.ts";
import type { AppendMessage } from "./message.ts";
import { Raft } from "./raft.ts";
import type { Entry, MembershipStep } from "./types.ts";

const OPTIONS = smallOptions(2n);

function adds(index: number, member: bigint): Entry {
  const steps: MembershipStep[] = [{ action: "add-voter", member }];
  const change = { steps, transition: "auto" as const, context: Buffer.alloc(0) };
  return { index, term: 1, data: Buffer.alloc(0), change };
}

function follower(entries: Entry[]): Raft {
  return new Raft(OPTIONS, {
    hardState: { term: 1, vote: 1n, commit: 0 },
    base: { index: 0, term: 0 },
    entries,
    applied: 0,
    membership: initialMembership([1n, 2n, 3n]),
  });
}

function append(entries: Entry[], commit: number): AppendMessage {
  const prevIndex = entries[0]!.index - 1;
  const prevTerm = prevIndex === 0 ? 0 : 1;
  return { kind: "append", from: 1n, to: 2n, term: 1, prevIndex, prevTerm, entries, commit };
}

test("S11: the commit index is written with a change, while the one before is in flight", () => {
  const raft = follower([]);
  raft.step(append([adds(1, 4n)], 0));
  expect(raft.ready()!.write).toMatchObject({ entries: [{ index: 1 }], hardState: undefined });
  raft.step(append([adds(2, 5n)], 1));
  const ready = raft.ready()!;
  expect(ready.write).toMatchObject({ entries: [{ index: 2 }], hardState: { commit: 1 } });
  expect(ready.committed).toEqual([]);
});

test("S11: the commit index is written with two changes that come in one append", () => {
  const raft = follower([]);
  raft.step(append([adds(1, 4n), adds(2, 5n)], 2));
  const { write, messagesAfterPersist } = raft.ready()!;
  expect(write!.entries).toHaveLength(2);
  expect(write!.hardState!.commit).toBe(2);
  expect(messagesAfterPersist).toMatchObject([{ kind: "append-reply", index: 2 }]);
});

test("S11: a log with two changes proves that the first is committed, and records that", () => {
  const raft = follower([adds(1, 4n), adds(2, 5n)]);
  expect(raft.state.log.committed).toBe(1);
  raft.campaign();
  expect(raft.state.role).toBe("follower");
  // The member acknowledges the second change only with the commit of the first on its disk.
  raft.step({ ...append([adds(2, 5n)], 0), prevIndex: 2, entries: [] });
  const { write, messagesAfterPersist } = raft.ready()!;
  expect(messagesAfterPersist).toMatchObject([{ kind: "append-reply", index: 2 }]);
  expect(write!.hardState).toMatchObject({ commit: 1 });
});

test("S11: two changes in an append prove the first, where its sender forgot that", () => {
  const raft = follower([]);
  // A leader of an earlier release that started with both in its log does not know.
  raft.step(append([adds(1, 4n)], 0));
  raft.step(append([adds(2, 5n)], 0));
  expect(raft.state.log.committed).toBe(1);
  const { write, messagesAfterPersist } = raft.ready()!;
  expect(write).toMatchObject({ entries: [{ index: 1 }, { index: 2 }], hardState: { commit: 1 } });
  expect(messagesAfterPersist).toMatchObject([{ index: 1 }, { index: 2 }]);
});

test("S11: what a truncation takes away, a change among it, is forgotten", () => {
  const raft = follower([]);
  raft.step(append([adds(1, 4n), { ...adds(2, 5n), change: undefined }], 1));
  raft.step(append([adds(3, 6n)], 1));
  const later = { ...adds(3, 7n), term: 2 };
  raft.step({ ...append([later], 1), term: 2 });
  raft.step({ ...append([{ ...adds(4, 8n), term: 2 }], 3), term: 2, prevTerm: 2 });
  expect(raft.ready()!.write!.hardState).toMatchObject({ term: 2, commit: 3 });
});
