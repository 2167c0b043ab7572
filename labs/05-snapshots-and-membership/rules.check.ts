import { LogEntries } from "@raft2kube/store/core/entries.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { appended, coreWith, electMember1, entry, work } from "../raft/core.ts";
import { changeOf } from "./change.ts";

const MARK = { index: 5, term: 2, membership: initialMembership([1n, 2n, 4n]) };
const snapshot = (mark: typeof MARK, term: number) =>
  ({ kind: "snapshot", from: 2n, to: 1n, term, mark }) as const;

check("compaction deletes entries and keeps index and term of the last one as base", () => {
  const entries = new LogEntries({ index: 0, term: 0 }, [entry(1, 1), entry(2, 1), entry(3, 2)]);
  entries.compactTo(2);
  const { base, lastIndex } = entries;
  judge(base.index === 2 && base.term === 1 && lastIndex === 3, {
    when: "entries of terms 1 1 2, compacted to entry 2",
    expected: "base 2/1, last entry 3",
    happened: `base ${base.index}/${base.term}, last entry ${lastIndex}`,
    why: "the next append is compared with its previous entry, whose term must be known (Raft 7)",
  });
  judge(entries.entry(3)?.data.toString() === "3/2" && entries.entry(2) === undefined, {
    when: "entries 2 and 3 after the compaction",
    expected: "entry 3 unchanged, entry 2 deleted",
    happened: `entry 3 is "${entries.entry(3)?.data}", entry 2 "${entries.entry(2)?.data}"`,
    why: "an entry at a wrong index is another command",
  });
  entries.compactTo(1);
  judge(entries.base.index === 2, {
    when: "compacted to entry 1 afterwards, which is deleted already",
    expected: "no change",
    happened: `the base is ${entries.base.index}`,
    why: "snapshots of the state machine may be reported late",
  });
});

check("a snapshot restarts the log, and is written before it is acknowledged", () => {
  const raft = coreWith({ term: 2, log: [1, 1] });
  raft.step(snapshot(MARK, 2));
  const { now, afterDisk, writes } = work(raft);
  const { log } = raft.state;
  judge(log.base.index === 5 && log.base.term === 2 && log.lastIndex === 5, {
    when: "the log has entries of terms 1 1; a snapshot at 5/2 arrives",
    expected: "an empty log with base 5/2",
    happened: `base ${log.base.index}/${log.base.term}, last entry ${log.lastIndex}`,
    why: "entries 1 and 2 may conflict with the leader's; 3 to 5 are only in the snapshot",
  });
  judge(log.committed === 5 && raft.state.applied === 5, {
    when: "after the snapshot at 5/2",
    expected: "committed 5, applied 5",
    happened: `committed ${log.committed}, applied ${raft.state.applied}`,
    why: "the snapshot's entries must not be applied a second time",
  });
  const { voters } = raft.state.membership;
  judge(raft.state.snapshotIndex === 5 && voters.join() === "1,2,4", {
    when: "after the snapshot at 5/2, with voters 1 2 4; before it they were 1 2 3",
    expected: "voters 1,2,4, and a snapshot at 5 to send to followers",
    happened: `voters ${voters}, and a snapshot at ${raft.state.snapshotIndex}`,
    why: "the compacted entries contain membership changes; and this member may lead next",
  });
  judge(
    writes.some((write) => write.snapshot?.index === 5),
    {
      when: "after the snapshot at 5/2",
      expected: "its mark in a write",
      happened: "it is not written",
      why: "after a crash the old log would be recovered, and continued after a gap",
    },
  );
  const early = now.some(({ kind }) => kind === "append-reply");
  const reply = afterDisk.find((message) => message.kind === "append-reply");
  judge(!early && reply?.index === 5 && !reply.reject, {
    when: "after the snapshot at 5/2",
    expected: "an append-reply after the disk, accepted up to 5",
    happened: early ? "a reply before the disk" : `replied ${reply?.index ?? "nothing"}`,
    why: "the leader continues from there, and counts the member toward the majority",
  });
});

check("a snapshot from before the commit index changes nothing", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 2, 2, 2, 2, 2], commit: 7 });
  work(raft);
  raft.compact({ ...MARK, index: 6 }, 0);
  raft.step(snapshot(MARK, 2));
  const { afterDisk } = work(raft);
  const { log } = raft.state;
  judge(log.lastIndex === 7 && log.committed === 7, {
    when: "committed up to 7, compacted up to 6; a stale snapshot at 5/2 arrives",
    expected: "the log unchanged, committed 7",
    happened: `the log ends with ${log.lastIndex}, committed ${log.committed}`,
    why: "entries 6 and 7 were acknowledged: without them they may be on no majority",
  });
  const reply = afterDisk.find((message) => message.kind === "append-reply");
  judge(reply?.index === 7, {
    when: "committed up to 7; a stale snapshot at 5/2 arrives",
    expected: "an append-reply, accepted up to 7",
    happened: reply ? `replied ${reply.index}` : "no reply",
    why: "until the reply the leader sends no appends to this member",
  });
});

check("a snapshot whose last entry is in the log keeps the later entries", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 2, 2, 2, 2, 2], commit: 3 });
  raft.step(snapshot(MARK, 2));
  const { afterDisk } = work(raft);
  const { log } = raft.state;
  judge(log.lastIndex === 7 && log.committed === 5, {
    when: "the log has entries 1 to 7, entry 5 of term 2, committed up to 3; a snapshot at 5/2",
    expected: "the log unchanged, committed up to 5",
    happened: `the log ends with ${log.lastIndex}, committed ${log.committed}`,
    why: "entries 6 and 7 may be needed for a majority (Raft figure 13, step 6)",
  });
  const reply = afterDisk.find((message) => message.kind === "append-reply");
  judge(reply?.index === 5, {
    when: "the log has entries 1 to 7; a snapshot at 5/2, which entry 5 matches",
    expected: "an append-reply, accepted up to 5",
    happened: reply ? `accepted up to ${reply.index}` : "no reply",
    why: "entries 6 and 7 may conflict with the leader's: counted, they would be committed",
  });
});

check("a snapshot whose last entry conflicts with the log replaces it", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 1, 1, 1, 1], commit: 3 });
  raft.step(snapshot(MARK, 2));
  work(raft);
  const { log } = raft.state;
  judge(log.lastIndex === 5 && log.term(5) === 2, {
    when: "the log has entries 1 to 6 of term 1, committed up to 3; a snapshot at 5/2",
    expected: "an empty log with base 5/2",
    happened: `the log ends with ${log.lastIndex}, entry 5 is of term ${log.term(5)}`,
    why: "entry 5 of another term is another command: the snapshot has the committed one",
  });
});

/** Member 1 is leader; entries 1 to 5 are committed and compacted into its snapshot. */
function leaderBehindSnapshot() {
  const raft = coreWith({ term: 1, log: [1, 1, 1, 1], commit: 4 });
  electMember1(raft);
  work(raft);
  raft.step(appended(2n, raft.state.term, 5));
  work(raft);
  raft.compact({ index: 5, term: raft.state.term, membership: raft.state.membership }, 0);
  return raft;
}

check("a follower behind the compacted log is sent a snapshot", () => {
  const raft = leaderBehindSnapshot();
  // Member 3 rejects with a hint far before the base.
  const refusal = { index: 4, reject: true, hintIndex: 1, hintTerm: 1 };
  raft.step({ kind: "append-reply", from: 3n, to: 1n, term: raft.state.term, ...refusal });
  const { now } = work(raft);
  const sent = now.find((message) => message.kind === "snapshot");
  judge(sent?.to === 3n && sent.mark.index === 5, {
    when: "the log's base is entry 5; member 3 has entry 1",
    expected: "a snapshot at 5 to member 3",
    happened: sent ? `at ${sent.mark.index} to ${sent.to}` : `${now.map(({ kind }) => kind)}`,
    why: "the entries between are compacted: only the snapshot has their effects",
  });
  raft.propose([Buffer.from("x")]);
  const later = work(raft).now.filter(({ to, kind }) => to === 3n && kind !== "heartbeat");
  judge(later.length === 0, {
    when: "a command is proposed while the snapshot is being sent to member 3",
    expected: "no append to member 3 until it has replied",
    happened: `${later.map(({ kind }) => kind)}`,
    why: "appends after a gap are all rejected",
  });
});

check("a snapshot has the term and the membership of its last entry", () => {
  const raft = coreWith({ term: 1, log: [1, 1, 1, 1], commit: 4 });
  electMember1(raft);
  work(raft);
  const { membership: before, term } = raft.state;
  raft.compact({ index: 4, term: 1, membership: before }, 0);
  raft.step(appended(2n, term, 5));
  work(raft);
  raft.proposeChange(changeOf("change ~4"));
  work(raft);
  raft.step(appended(2n, term, 6));
  work(raft);
  const refusal = { index: 4, reject: true, hintIndex: 1, hintTerm: 1 };
  raft.step({ kind: "append-reply", from: 3n, to: 1n, term, ...refusal });
  const sent = work(raft).now.find((message) => message.kind === "snapshot");
  const { index, term: of, membership } = sent?.mark ?? {};
  judge(index === 4 && of === 1 && membership?.learners.length === 0, {
    when: `compacted to entry 4 of term 1; in term ${term}, entry 6 adds a learner; a snapshot`,
    expected: "a mark 4/1 with the membership of entry 4: no learner",
    happened: sent ? `${index}/${of}, learners ${membership?.learners.join(" ")}` : "no snapshot",
    why: "the follower compares the next append with this term, and applies entry 6 itself",
  });
});

check("no snapshot is sent to a follower that is not active", () => {
  const raft = leaderBehindSnapshot();
  const silent = raft.leading!.progress.get(3n)!;
  silent.next = 2;
  silent.paused = false;
  raft.propose([Buffer.from("x")]);
  const sent = work(raft).now.filter(({ kind }) => kind === "snapshot");
  judge(sent.length === 0 && !silent.recentActive, {
    when: "member 3 needs a snapshot, and has not replied since the election",
    expected: "no snapshot until it replies",
    happened: `${sent.length} snapshots were sent`,
    why: "a snapshot may be gigabytes, and the machine may be down",
  });
});

check("no membership change before the term's first entry is committed", () => {
  const raft = coreWith({ term: 1, log: [1], commit: 1 });
  electMember1(raft);
  work(raft);
  const early = raft.proposeChange(changeOf("change +4"));
  judge(typeof early === "object" && "refused" in early, {
    when: "a leader that has committed nothing in its term receives a change that adds a voter",
    expected: "refused: term-not-committed",
    happened: "accepted",
    why: "two successive leaders could each change a voter, with disjoint majorities (S9)",
  });
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  const first = raft.proposeChange(changeOf("change +4"));
  judge(typeof first === "object" && "index" in first, {
    when: "the term's first entry is committed; then a change that adds a voter",
    expected: "accepted",
    happened: JSON.stringify(first),
    why: "now the leader has every earlier change",
  });
  const second = raft.proposeChange(changeOf("change +5"));
  judge(
    typeof second === "object" && "refused" in second && second.refused === "membership-pending",
    {
      when: "another change before the first is applied",
      expected: "refused: membership-pending",
      happened: JSON.stringify(second),
      why: "the second would be validated against a membership that is about to change",
    },
  );
  raft.step(appended(2n, raft.state.term, 3));
  work(raft);
  const empty = raft.proposeChange(changeOf("change -1 -2 -3 -4"));
  judge(typeof empty === "object" && "refused" in empty && empty.refused === "membership-invalid", {
    when: "a change that removes all voters, when the one before is applied",
    expected: "refused: membership-invalid",
    happened: JSON.stringify(empty),
    why: "every member would ignore it when applied: the client needs the error now",
  });
});

check("a change takes effect when it is applied", () => {
  const raft = coreWith({ term: 1, log: [1], commit: 1 });
  electMember1(raft);
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  raft.proposeChange(changeOf("change +4 +5 -2 -3"));
  work(raft);
  raft.step(appended(2n, raft.state.term, 3));
  const { now } = work(raft);
  const { membership, voterSets, log } = raft.state;
  judge(membership.outgoing.length === 3 && voterSets.outgoing.size === 3, {
    when: "the change +4 +5 -2 -3 is committed by the old majority, and applied",
    expected: "voters 1 4 5, outgoing 1 2 3, in membership and voterSets",
    happened:
      `voters ${membership.voters}, outgoing ${membership.outgoing}; ` +
      `voterSets of ${voterSets.voters.size} and ${voterSets.outgoing.size}`,
    why: "from now on both majorities must agree (dissertation section 4.3)",
  });
  const added = new Set(now.filter(({ kind }) => kind === "append").map(({ to }) => to));
  judge(added.has(4n) && added.has(5n), {
    when: "members 4 and 5 have just become voters",
    expected: "appends to both at once",
    happened: `appends to ${[...added].join(" ") || "neither"}`,
    why: "nothing can be committed until the new voters have the log",
  });
  judge(log.lastIndex === 4 && log.entry(4)?.change?.steps.length === 0, {
    when: "the joint configuration is in effect, with autoLeave",
    expected: "the leader proposes to leave it: entry 4 is a change without steps",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "no other member proposes it; a joint cluster stops when either majority fails",
  });
  const carries = now.some((message) => {
    return message.kind === "append" && message.to === 2n && message.entries.at(-1)?.index === 4;
  });
  judge(carries, {
    when: "the leader has appended the change that leaves",
    expected: "an append of entry 4 to member 2 at once",
    happened: "none",
    why: "without writes by clients, the cluster would stay joint until the next one",
  });
  raft.appliedTo(raft.state.applied, 0);
  judge(log.lastIndex === 4, {
    when: "the change that leaves is pending, and another entry is applied",
    expected: "no second one: pendingChangeIndex is above the applied index",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "otherwise each applied entry proposes another change, without end",
  });
});

check("a new leader leaves a joint configuration only once it has committed in its term", () => {
  const joint = { ...initialMembership([1n, 2n, 3n]), outgoing: [1n, 2n, 3n], autoLeave: true };
  const raft = coreWith({ term: 1, log: [1], commit: 1, membership: joint });
  electMember1(raft);
  work(raft);
  raft.appliedTo(raft.state.applied, 0);
  const { log } = raft.state;
  judge(log.lastIndex === 2, {
    when: "joint with autoLeave; a new leader has appended entry 2, which is not committed",
    expected: "no change yet",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "an earlier leader's change may still be uncommitted in its log (invariant S9)",
  });
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(log.entry(3)?.change?.steps.length === 0, {
    when: "entry 2, the first of its term, is committed and applied",
    expected: "entry 3 leaves the joint configuration",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "the leader that entered it may be gone: the next one must leave it",
  });
});

/** Member 1 is leader of `voters`, and its first entry is committed. */
function leading(voters: readonly bigint[] = [1n, 2n, 3n]) {
  const raft = coreWith({ voters });
  electMember1(raft, voters.slice(1));
  work(raft);
  raft.step(appended(2n, raft.state.term, 1));
  work(raft);
  return raft;
}

check("a new member has a progress as soon as the change is applied", () => {
  const raft = leading();
  raft.proposeChange(changeOf("change ~4"));
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  const probes = work(raft).now.filter(({ kind, to }) => kind === "append" && to === 4n);
  judge(probes.length > 0, {
    when: "the change ~4 is applied",
    expected: "an append to member 4 at once",
    happened: "none",
    why: "until it has replied the leader does not know what it lacks",
  });
  const { term } = raft.state;
  const news = { commit: 0, commitTerm: 0 };
  raft.step({ kind: "heartbeat-reply", from: 4n, to: 1n, term, readId: 0, ...news });
  const sent = work(raft).now.filter(({ kind, to }) => kind === "append" && to === 4n);
  judge(sent.length > 0 && raft.leading?.progress.get(4n)?.learner === true, {
    when: "the change ~4 is applied, and member 4 replies to its first heartbeat",
    expected: "an append to member 4, whose progress is a learner's",
    happened: `${sent.length} appends`,
    why: "a member without a progress gets no entries, and never catches up",
  });
});

check("a smaller quorum can commit entries at once", () => {
  const raft = leading([1n, 2n]);
  raft.proposeChange(changeOf("change -2"));
  raft.propose([Buffer.from("x")]);
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(raft.state.log.committed === 3, {
    when: "voters 1 2; member 2 has acknowledged entry 2, its own removal, and not entry 3",
    expected: "commit index 3 as soon as the removal is applied: member 1 alone is the quorum",
    happened: `commit index ${raft.state.log.committed}`,
    why: "no other voter is left whose reply would commit it later",
  });
});

check("a transferee that is removed is cleared", () => {
  const raft = leading();
  raft.proposeChange(changeOf("change -3"));
  raft.transferLeadership(3n);
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(raft.leading?.transferee === 0n, {
    when: "a transfer to member 3 is pending, and the removal of member 3 is applied",
    expected: "no transferee: the leader stays",
    happened: `transferee ${raft.leading?.transferee}`,
    why: "during a transfer the leader rejects all writes",
  });
});

check("a transferee that stays a voter is kept", () => {
  const raft = leading();
  raft.proposeChange(changeOf("change -3"));
  raft.transferLeadership(2n);
  const before = raft.leading?.transferee;
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(before === 2n && raft.leading?.transferee === 2n, {
    when: "a transfer to member 2 is pending, and the removal of member 3 is applied",
    expected: "the transferee is still member 2",
    happened: `transferee ${raft.leading?.transferee}`,
    why: "the transfer would fail, and clients would write to a leader that is about to go",
  });
});
