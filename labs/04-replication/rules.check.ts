import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { append, appended, askVote, coreWith, electMember1, work } from "../raft/core.ts";

/** The terms of member 1's entries, as `1 1 2`. */
function termsOf(raft: Raft): string {
  const { log } = raft.state;
  const indexes = Array.from({ length: log.lastIndex }, (_, i) => i + 1);
  return indexes.map((index) => log.term(index)).join(" ");
}

function replies(messages: readonly Message[]) {
  return messages.flatMap((message) => (message.kind === "append-reply" ? [message] : []));
}

check("a follower deletes conflicting entries and keeps the others", () => {
  const start = { term: 3, log: [1, 1, 2, 2, 2], commit: 1 } as const;
  const cases = [
    [{ index: 2, term: 1 }, [3, 3], "1 1 3 3", "entries 3 to 5 are of another term"],
    [{ index: 5, term: 2 }, [3], "1 1 2 2 2 3", "the new entry follows the member's last"],
    [{ index: 2, term: 1 }, [2], "1 1 2 2 2", "a stale append: all its entries exist already"],
    [{ index: 2, term: 1 }, [2, 3], "1 1 2 3", "the first entry matches, the second conflicts"],
    [{ index: 3, term: 2 }, [], "1 1 2 2 2", "no entries: a probe"],
    [{ index: 4, term: 3 }, [3], "1 1 2 2 2", "the previous entry does not match"],
    [{ index: 7, term: 3 }, [3], "1 1 2 2 2", "the log ends before the previous entry"],
  ] as const;
  for (const [prev, terms, expected, what] of cases) {
    const raft = coreWith(start);
    raft.step(append(2n, 3, prev, terms));
    work(raft);
    judge(termsOf(raft) === expected, {
      when: `entries 1 1 2 2 2, an append after ${prev.index}/${prev.term}: [${terms}] (${what})`,
      expected: `entries ${expected}`,
      happened: `entries ${termsOf(raft)}`,
      why: "equal index and term mean equal logs up to there (Log Matching, Raft section 5.3)",
    });
  }
});

check("an append is acknowledged once it is on disk, up to its own last entry", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(append(2n, 1, { index: 1, term: 1 }, [1, 1]));
  const { now, afterDisk, writes } = work(raft);
  judge(replies(now).length === 0, {
    when: "an append of entries 2 and 3",
    expected: "the reply waits for the disk (sendAfterPersist)",
    happened: "it was sent at once",
    why: "the leader counts it; a crash before the write would lose a commit (invariant S1)",
  });
  const written = writes.flatMap(({ entries }) => entries.map(({ index }) => index));
  judge(written.join() === "2,3", {
    when: "an append of entries 2 and 3",
    expected: "entries 2, 3 in the write",
    happened: written.length > 0 ? `entries ${written}` : "no write",
    why: "entries that are not written are lost in a crash",
  });
  const [reply] = replies(afterDisk);
  judge(reply?.index === 3 && !reply.reject, {
    when: "an append of entries 2 and 3 that matches",
    expected: "accepted up to 3",
    happened: reply ? `${reply.reject ? "rejected" : "accepted"} ${reply.index}` : "no reply",
    why: "the leader learns from it which entries this member has",
  });
  const longer = coreWith({ term: 2, log: [1, 1, 1, 1] });
  longer.step(append(2n, 2, { index: 1, term: 1 }, [1]));
  const waits = longer.state.outboxAfterPersist.length > 0;
  const [short] = replies(work(longer).afterDisk);
  judge(short?.index === 2, {
    when: "the log has entries 1 to 4; an append carries entry 2 alone, which matches",
    expected: "accepted up to 2: entries 3 and 4 may conflict",
    happened: short
      ? `accepted up to ${short.index}`
      : `no reply${waits ? ": no write carries it" : ""}`,
    why: "later entries may differ from the leader's: counted, they would be committed",
    body: !short && waits ? "takeWrite" : undefined,
  });
});

check("the reply to an append from before the commit index has that index", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 1, 1], commit: 3 });
  raft.step(append(2n, 2, { index: 1, term: 1 }, [1]));
  const [reply] = replies(work(raft).afterDisk);
  judge(reply?.index === 3 && !reply.reject, {
    when: "entries 1 to 3 are committed; an append of entry 2 arrives",
    expected: "accepted up to 3: committed entries are equal on all members",
    happened: reply ? `${reply.reject ? "rejected" : "accepted"} ${reply.index}` : "no reply",
    why: "the entries may be compacted and cannot be compared any more",
  });
});

check("a follower commits only up to the last matching entry", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 1, 1] });
  raft.step(append(2n, 2, { index: 1, term: 1 }, [1], 4));
  work(raft);
  judge(raft.state.log.committed === 2, {
    when: "an append of entry 2, commit index 4; the follower's entries 3 and 4 may conflict",
    expected: "commit index 2: min(leader's commit index, last matching entry)",
    happened: `commit index ${raft.state.log.committed}`,
    why: "it would apply entries that differ from the leader's (Raft figure 2, AppendEntries 5)",
  });
});

check("a rejected append has a hint where the logs may match", () => {
  const raft = coreWith({ term: 5, log: [1, 1, 3, 4, 4, 4, 4] });
  raft.step(append(2n, 5, { index: 9, term: 3 }, [5]));
  const [reply] = replies([...work(raft).now]);
  judge(reply?.reject === true && reply.index === 9, {
    when: "an append after entry 9; the log ends with entry 7",
    expected: "rejected at once, with index 9",
    happened: reply ? `${reply.reject ? "rejected" : "accepted"} ${reply.index}` : "no reply",
    why: "the leader must find the matching index; a rejection need not wait for the disk",
  });
  judge(reply?.hintIndex === 3 && reply.hintTerm === 3, {
    when: "an append after 9/3; the log's terms are 1 1 3 4 4 4 4",
    expected: "hint 3/3: entries of term 4 cannot match a log that has term 3 at entry 9",
    happened: `hint ${reply?.hintIndex}/${reply?.hintTerm}`,
    why: "one step for each entry costs a round trip for each entry (Raft section 5.3, end)",
  });
});

check("copies on a majority do not commit an entry of an older term", () => {
  // Figure 8 of the paper: entry 2 of term 2 reaches a majority in term 3 and must not count yet.
  const raft = coreWith({ term: 2, vote: 1n, log: [1, 2], commit: 1 });
  electMember1(raft);
  work(raft);
  const { term } = raft.state;
  raft.step(appended(2n, term, 2));
  work(raft);
  judge(raft.state.log.committed === 1, {
    when: `in term ${term}, entry 2 of term 2 is on two of three members`,
    expected: "commit index 1 still",
    happened: `commit index ${raft.state.log.committed}`,
    why: "a leader of another term may still overwrite it (Raft section 5.4.2 and figure 8)",
  });
  raft.step(appended(2n, term, 3));
  const { applied } = work(raft);
  judge(raft.state.log.committed === 3 && applied.length > 0, {
    when: `entry 3, the first of term ${term}, is on two of three members`,
    expected: "commit index 3, and with it all earlier entries",
    happened: `commit index ${raft.state.log.committed}`,
    why: "an entry of the leader's own term commits all earlier ones (Raft section 5.4.2)",
  });
});

check("the leader's own entry counts only once it is on its disk", () => {
  const raft = coreWith({ voters: [1n, 2n, 3n, 4n, 5n] });
  electMember1(raft, [2n, 3n, 4n]);
  work(raft);
  for (const from of [2n, 3n]) raft.step(appended(from, raft.state.term, 1));
  work(raft);
  raft.propose([Buffer.from("x")]);
  const ready = raft.ready();
  for (const from of [2n, 3n]) raft.step(appended(from, raft.state.term, 2));
  judge(raft.state.log.committed === 1, {
    when: "entry 2 is on the disks of members 2 and 3 of five, not yet on the leader's",
    expected: "commit index 1 still: two of five have entry 2",
    happened: `commit index ${raft.state.log.committed}`,
    why: "if the leader loses power now, it is on two disks of five: no majority (D 10.2.1)",
  });
  raft.persisted(ready!.write!.id);
  judge(raft.state.log.committed === 2, {
    when: "the leader's own write of entry 2 is durable",
    expected: "commit index 2: three of five have entry 2",
    happened: `commit index ${raft.state.log.committed}`,
    why: "an entry on a majority must be committed at once, not at the next message",
  });
});

check("term, vote and entries are written before messages that depend on them", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(append(3n, 4, { index: 1, term: 1 }, [4]));
  const { writes } = work(raft);
  const { hardState, entries } = writes[0] ?? {};
  judge(hardState?.term === 4, {
    when: "a member in term 1 receives an append of term 4",
    expected: "term 4 in the first write",
    happened: hardState ? `term ${hardState.term}` : "no term in the write",
    why: "a member that restarts in an older term votes a second time (Raft figure 2)",
  });
  judge(entries?.length === 1, {
    when: "an append of one entry",
    expected: "the entry in the same write",
    happened: `${entries?.length ?? 0} entries`,
    why: "one sync for both: the disk is the slowest part of a write",
  });
  judge(raft.ready() === undefined, {
    when: "every ready() has been executed",
    expected: "ready() returns undefined",
    happened: "ready() asks for another write",
    why: "each needless write costs a sync",
  });
});

check("a vote is written also if the term does not change", () => {
  const raft = coreWith({ term: 2, log: [1] });
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  const { writes } = work(raft);
  const noted = writes.find(({ hardState }) => hardState !== undefined)?.hardState;
  judge(noted?.vote === 2n && noted.term === 2, {
    when: "a member that is already in term 2 grants its vote in term 2",
    expected: "term 2 and the vote for member 2 in the write",
    happened: noted ? `term ${noted.term}, vote for ${noted.vote}` : "neither is written",
    why: "after a crash it would vote again in the same term: two leaders (Raft figure 2)",
  });
});

check("a new term is written also without an entry or a vote", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step({ kind: "heartbeat", from: 2n, to: 1n, term: 4, commit: 0, readId: 0 });
  const noted = work(raft).writes.find(({ hardState }) => hardState !== undefined)?.hardState;
  judge(noted?.term === 4, {
    when: "a member in term 1 receives a heartbeat of term 4, and nothing else",
    expected: "term 4 in a write",
    happened: noted ? `term ${noted.term}` : "no term is written",
    why: "it answers in term 4; a member that restarts must not obey older leaders (figure 2)",
  });
});

check("a membership change that follows another proves it committed", () => {
  const raft = coreWith({ term: 2, log: [1] });
  const entries = [4n, 5n].map((member, i) => {
    const steps = [{ action: "add-learner", member } as const];
    const change = { steps, transition: "auto", context: Buffer.alloc(0) } as const;
    return { index: i + 2, term: 2, data: Buffer.alloc(0), change };
  });
  raft.step({ ...append(2n, 2, { index: 1, term: 1 }, []), entries });
  judge(raft.state.log.committed === 2, {
    when: "an append of entries 2 and 3, both membership changes, commit index 0",
    expected: "commit index 2: a leader proposes a change once the one before is applied",
    happened: `commit index ${raft.state.log.committed}`,
    why: "after a crash it could count votes by a membership that is over (SPEC, S11)",
  });
});

/** How many of the next three writes have a snapshot's mark. */
function marksIn(raft: Raft): number {
  return Array.from({ length: 3 }, () => {
    const write = raft.ready()?.write;
    if (write) raft.persisted(write.id);
    return write?.snapshot;
  }).filter((mark) => mark !== undefined).length;
}

check("a snapshot's metadata is written once", () => {
  const raft = coreWith({ term: 2, log: [1] });
  const { membership } = raft.state;
  const mark = { index: 5, term: 2, membership };
  raft.step({ kind: "snapshot", from: 2n, to: 1n, term: 2, mark });
  const first = marksIn(raft);
  raft.step(append(2n, 2, { index: 5, term: 2 }, [2]));
  const second = marksIn(raft);
  judge(first === 1 && second === 0, {
    when: "a snapshot at 5/2 was received and written, then an append of entry 6",
    expected: "its mark in the first write and in no other",
    happened: `in ${first} writes before the append, in ${second} after it`,
    why: "the mark restarts the log: written again, it drops the entries after it",
  });
});

check("a heartbeat reply has the heartbeat's read round", () => {
  const raft = coreWith({ term: 2, log: [1, 2] });
  raft.step({ kind: "heartbeat", from: 2n, to: 1n, term: 2, commit: 1, readId: 9 });
  const [reply] = work(raft).now.flatMap((message) => {
    return message.kind === "heartbeat-reply" ? [message] : [];
  });
  judge(reply?.readId === 9, {
    when: "a heartbeat of read round 9, commit index 1",
    expected: "a reply at once, with round 9",
    happened: reply ? "a reply with another round" : "no reply",
    why: "without replies the leader steps down, and its reads wait for this round (D 6.4)",
  });
  judge(reply?.commit === 1 && reply.commitTerm === 1, {
    when: "the reply to a heartbeat with commit index 1; entry 1 is of term 1",
    expected: "commit 1 and commitTerm 1 in the reply (commitNews)",
    happened: `commit ${reply?.commit}, commitTerm ${reply?.commitTerm}`,
    why: "the leader raises an alarm where a member has committed another entry (SPEC, S8)",
  });
  judge(raft.state.log.committed === 1, {
    when: "a heartbeat with commit index 1",
    expected: "commit index 1",
    happened: `commit index ${raft.state.log.committed}`,
    why: "without writes, followers learn the commit index from heartbeats",
  });
});

check("a read before the term's first commit starts its round after it", () => {
  const raft = coreWith({ term: 1, log: [1] });
  electMember1(raft);
  work(raft);
  raft.requestReadIndex(7);
  const early = work(raft).now.filter(({ kind }) => kind === "heartbeat").length;
  raft.step(appended(2n, raft.state.term, 2));
  const later = work(raft).now.filter((message) => {
    return message.kind === "heartbeat" && message.readId !== 0;
  });
  judge(early === 0 && later.length === 2, {
    when: "a read before the leader has committed in its term; then it commits",
    expected: "no heartbeats at first, then one round of them for the read",
    happened: `${early} heartbeats at first, ${later.length} afterwards`,
    why: "before that the leader does not know the commit index (dissertation section 6.4)",
  });
});
