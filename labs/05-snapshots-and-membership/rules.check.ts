import { LogEntries } from "@raft2kube/store/core/entries.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { appended, coreWith, electMember1, entry, work } from "../raft/core.ts";
import { changeOf } from "./change.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";

const MARK = { index: 5, term: 2, membership: initialMembership([1n, 2n, 4n]) };
const snapshot = (mark: typeof MARK, term: number) =>
  ({ kind: "snapshot", from: 2n, to: 1n, term, mark }) as const;

check("compaction forgets entries, and remembers where the log now begins", () => {
  const entries = new LogEntries({ index: 0, term: 0 }, [entry(1, 1), entry(2, 1), entry(3, 2)]);
  entries.compactTo(2);
  const { base, lastIndex } = entries;
  judge(base.index === 2 && base.term === 1 && lastIndex === 3, {
    when: "entries of terms 1 1 2, compacted to entry 2",
    expected: "base 2/1, last entry 3",
    happened: `base ${base.index}/${base.term}, last entry ${lastIndex}`,
    why: "the next append is compared with the entry before it: its term must be known (Raft 7)",
  });
  judge(entries.entry(3)?.data.toString() === "3/2" && entries.entry(2) === undefined, {
    when: "the entries after that",
    expected: "entry 3 as it was, entry 2 gone",
    happened: `entry 3 holds "${entries.entry(3)?.data}", entry 2 "${entries.entry(2)?.data}"`,
    why: "an entry under another's index is another command",
  });
  entries.compactTo(1);
  judge(entries.base.index === 2, {
    when: "compacted to entry 1 afterwards, which is gone already",
    expected: "nothing changes",
    happened: `the base is ${entries.base.index}`,
    why: "snapshots of the state machine may be reported late",
  });
});

check("a snapshot begins the log anew, and is written before it is acknowledged", () => {
  const raft = coreWith({ term: 2, log: [1, 1] });
  raft.step(snapshot(MARK, 2));
  const { now, afterDisk, writes } = work(raft);
  const { log } = raft.state;
  judge(log.base.index === 5 && log.base.term === 2 && log.lastIndex === 5, {
    when: "our log is 1 1, and a snapshot at 5/2 comes",
    expected: "a log that begins behind 5/2, with nothing in it",
    happened: `it begins behind ${log.base.index}/${log.base.term} and ends with ${log.lastIndex}`,
    why: "entries 1 and 2 may be others than the leader's; 3 to 5 are only in the snapshot",
  });
  judge(log.committed === 5 && raft.state.applied === 5, {
    when: "after the snapshot at 5/2",
    expected: "committed 5, applied 5",
    happened: `committed ${log.committed}, applied ${raft.state.applied}`,
    why: "what the snapshot holds must not be applied a second time",
  });
  const { voters } = raft.state.membership;
  judge(raft.state.snapshotIndex === 5 && voters.join() === "1,2,4", {
    when: "after the snapshot at 5/2, whose voters are 1 2 4; here they were 1 2 3",
    expected: "voters 1,2,4, and a snapshot at 5 to give to others",
    happened: `voters ${voters}, and a snapshot at ${raft.state.snapshotIndex}`,
    why: "changes of membership are among the entries that are gone; and this member may lead next",
  });
  judge(
    writes.some((write) => write.snapshot?.index === 5),
    {
      when: "after the snapshot at 5/2",
      expected: "its mark in what is to be written",
      happened: "it is not written",
      why: "after a crash the old log would be found, and continued behind a gap",
    },
  );
  const early = now.some(({ kind }) => kind === "append-reply");
  const reply = afterDisk.find((message) => message.kind === "append-reply");
  judge(!early && reply?.index === 5 && !reply.reject, {
    when: "after the snapshot at 5/2",
    expected: "an answer after the disk: everything up to 5 is here",
    happened: early ? "it was answered before the disk" : `answered ${reply?.index ?? "nothing"}`,
    why: "the leader goes on sending from there, and counts it for the majority",
  });
});

check("a snapshot older than what is committed changes nothing", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 2, 2, 2, 2, 2], commit: 7 });
  work(raft);
  raft.compact({ ...MARK, index: 6 }, 0);
  raft.step(snapshot(MARK, 2));
  const { afterDisk } = work(raft);
  const { log } = raft.state;
  judge(log.lastIndex === 7 && log.committed === 7, {
    when: "committed up to 7, compacted up to 6, a snapshot at 5/2 comes late",
    expected: "the log as it was, committed 7",
    happened: `the log ends with ${log.lastIndex}, committed ${log.committed}`,
    why: "entries 6 and 7 were acknowledged; without them a majority may be none any more",
  });
  const reply = afterDisk.find((message) => message.kind === "append-reply");
  judge(reply?.index === 7, {
    when: "committed up to 7, a snapshot at 5/2 comes late",
    expected: "an answer: everything up to 7 is here",
    happened: reply ? `answered ${reply.index}` : "no answer",
    why: "the leader waits for it, and sends nothing else meanwhile",
  });
});

check("a snapshot whose entry is here keeps the entries behind it", () => {
  const raft = coreWith({ term: 2, log: [1, 1, 2, 2, 2, 2, 2], commit: 3 });
  raft.step(snapshot(MARK, 2));
  work(raft);
  const { log } = raft.state;
  judge(log.lastIndex === 7 && log.committed === 5, {
    when: "entries 1 to 7 are here, committed up to 3, and a snapshot at 5/2, as our entry 5 is",
    expected: "the log stays, committed up to 5",
    happened: `the log ends with ${log.lastIndex}, committed ${log.committed}`,
    why: "entries 6 and 7 may be what a commit counts on (Raft figure 13, step 6)",
  });
});

/** Member 1 leads; entries 1 to 5 are committed, and in its snapshot instead of its log. */
function leaderBehindSnapshot() {
  const raft = coreWith({ term: 1, log: [1, 1, 1, 1], commit: 4 });
  electMember1(raft);
  work(raft);
  raft.step(appended(2n, raft.state.term, 5));
  work(raft);
  raft.compact({ index: 5, term: raft.state.term, membership: raft.state.membership }, 0);
  return raft;
}

check("a follower that the log no longer reaches is sent a snapshot", () => {
  const raft = leaderBehindSnapshot();
  // Member 3 answers from far behind.
  const refusal = { index: 4, reject: true, hintIndex: 1, hintTerm: 1 };
  raft.step({ kind: "append-reply", from: 3n, to: 1n, term: raft.state.term, ...refusal });
  const { now } = work(raft);
  const sent = now.find((message) => message.kind === "snapshot");
  judge(sent?.to === 3n && sent.mark.index === 5, {
    when: "the log begins behind entry 5, member 3 has entry 1",
    expected: "a snapshot at 5 to member 3",
    happened: sent ? `at ${sent.mark.index} to ${sent.to}` : `${now.map(({ kind }) => kind)}`,
    why: "the entries between are nowhere any more: only the state can bring it up to date",
  });
  raft.propose([Buffer.from("x")]);
  const later = work(raft).now.filter(({ to, kind }) => to === 3n && kind !== "heartbeat");
  judge(later.length === 0, {
    when: "a command is proposed while the snapshot is on its way to member 3",
    expected: "nothing for member 3 until it has answered",
    happened: `${later.map(({ kind }) => kind)}`,
    why: "appends behind a gap would all be refused, and each refusal costs a message",
  });
});

check("no snapshot travels to a follower that was not heard from", () => {
  const raft = leaderBehindSnapshot();
  const silent = raft.leading!.progress.get(3n)!;
  silent.next = 2;
  silent.paused = false;
  raft.propose([Buffer.from("x")]);
  const sent = work(raft).now.filter(({ kind }) => kind === "snapshot");
  judge(sent.length === 0 && !silent.recentActive, {
    when: "member 3 needs a snapshot, and has said nothing since the election",
    expected: "no snapshot until it is heard from",
    happened: `${sent.length} snapshots were sent`,
    why: "the state may be gigabytes, and the machine be gone",
  });
});

check("no change of membership before the term's first entry is committed", () => {
  const raft = coreWith({ term: 1, log: [1], commit: 1 });
  electMember1(raft);
  work(raft);
  const early = raft.proposeChange(changeOf("change +4"));
  judge(typeof early === "object" && "refused" in early, {
    when: "a leader that has committed nothing in its term is asked to add a voter",
    expected: "refused: term-not-committed",
    happened: "it took it",
    why: "two leaders in a row could each change one voter, with majorities that share nobody (S9)",
  });
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  const first = raft.proposeChange(changeOf("change +4"));
  judge(typeof first === "object" && "index" in first, {
    when: "the term's first entry is committed, and a voter is added",
    expected: "it takes it",
    happened: JSON.stringify(first),
    why: "now it knows every change that was made before it",
  });
  const second = raft.proposeChange(changeOf("change +5"));
  judge(
    typeof second === "object" && "refused" in second && second.refused === "membership-pending",
    {
      when: "another change before the first is applied",
      expected: "refused: membership-pending",
      happened: JSON.stringify(second),
      why: "the second would be judged by a membership that is about to change",
    },
  );
  raft.step(appended(2n, raft.state.term, 3));
  work(raft);
  const nobody = raft.proposeChange(changeOf("change -1 -2 -3 -4"));
  judge(typeof nobody === "object" && "refused" in nobody, {
    when: "all voters are to be removed",
    expected: "refused: membership-invalid",
    happened: JSON.stringify(nobody),
    why: "it would be void when applied, on every member; who asks should hear so now",
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
    why: "from here on both majorities must agree (dissertation section 4.3)",
  });
  const newcomers = new Set(now.filter(({ kind }) => kind === "append").map(({ to }) => to));
  judge(newcomers.has(4n) && newcomers.has(5n), {
    when: "members 4 and 5 have just become voters",
    expected: "appends to them, at once",
    happened: `appends to ${[...newcomers].join(" ") || "nobody"}`,
    why: "nothing can be committed until the newcomers have the log",
  });
  judge(log.lastIndex === 4 && log.entry(4)?.change?.steps.length === 0, {
    when: "the joint configuration is in effect, and was to be left by itself",
    expected: "the leader proposes to leave it: a change without steps in entry 4",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "nobody else does; joint, the cluster fails when either majority does",
  });
  raft.appliedTo(raft.state.applied, 0);
  judge(log.lastIndex === 4, {
    when: "the change to leave is under way, and something else is applied meanwhile",
    expected: "no second one: pendingChangeIndex says that one is under way",
    happened: `the log ends with entry ${log.lastIndex}`,
    why: "each applied entry would bring another change, and each of them another entry",
  });
});

/** Member 1 leads 1, 2 and 3, and its first entry is committed. */
function leading(voters: readonly bigint[] = [1n, 2n, 3n]) {
  const raft = coreWith({ voters });
  electMember1(raft, voters.slice(1));
  work(raft);
  raft.step(appended(2n, raft.state.term, 1));
  work(raft);
  return raft;
}

check("a newcomer is listened to from the moment it is one", () => {
  const raft = leading();
  raft.proposeChange(changeOf("change ~4"));
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  const { term } = raft.state;
  const news = { commit: 0, commitTerm: 0 };
  raft.step({ kind: "heartbeat-reply", from: 4n, to: 1n, term, readId: 0, ...news });
  const sent = work(raft).now.filter(({ kind, to }) => kind === "append" && to === 4n);
  judge(sent.length > 0 && raft.leading?.progress.get(4n)?.learner === true, {
    when: "the change ~4 is applied, and member 4 answers its first heartbeat",
    expected: "an append to member 4, who is known as a learner",
    happened: `${sent.length} appends`,
    why: "a learner is there to catch up: who is not in the leader's books gets nothing",
  });
});

check("fewer voters may have committed more already", () => {
  const raft = leading([1n, 2n]);
  raft.proposeChange(changeOf("change -2"));
  raft.propose([Buffer.from("x")]);
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(raft.state.log.committed === 3, {
    when: "voters 1 2; member 2 has acknowledged entry 2, its own removal, and not entry 3",
    expected: "commit index 3, as soon as the removal is applied: member 1 alone decides",
    happened: `commit index ${raft.state.log.committed}`,
    why: "nobody is left whose answer could bring it about later",
  });
});

check("a successor that is removed is none any more", () => {
  const raft = leading();
  raft.proposeChange(changeOf("change -3"));
  raft.transferLeadership(3n);
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  work(raft);
  judge(raft.leading?.transferee === 0n, {
    when: "the leader is to hand over to member 3, and the removal of member 3 is applied",
    expected: "it leads on: no transferee",
    happened: `it waits for member ${raft.leading?.transferee}`,
    why: "a leader that waits for its successor refuses all writes",
  });
});
