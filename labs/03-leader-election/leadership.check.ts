import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { append, appended, askVote, coreWith, electMember1, work, yes } from "../raft/core.ts";
import { ELECTION_TICKS, HEARTBEAT_TICKS } from "../raft/limits.ts";

function kindsTo(messages: readonly Message[]): string {
  return messages.map(({ kind, to }) => `${kind} to ${to}`).join(", ") || "nothing";
}

check("a pre-vote changes nobody's term or vote", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step({ ...askVote(2n, 2, { index: 1, term: 1 }), pre: true });
  raft.step({ ...askVote(3n, 2, { index: 1, term: 1 }), pre: true });
  const { now } = work(raft);
  const { term, vote } = raft.state;
  judge(term === 1 && vote === 0n, {
    when: "members 2 and 3 ask whether they would get our vote in term 2, and no leader is known",
    expected: "term 1 still, and no vote given",
    happened: `term ${term}, vote for ${vote}`,
    why: "the question is asked to disturb nobody (dissertation section 9.6)",
  });
  const said = now.filter((message) => message.kind === "vote-reply" && message.granted);
  judge(said.length === 2 && said.every((message) => message.term === 2), {
    when: "members 2 and 3 ask whether they would get our vote in term 2",
    expected: "yes to both, at once, in term 2: the one that they asked about",
    happened: `${said.length} yes, in terms ${said.map((message) => message.term)}`,
    why: "it promises nothing; the election that follows is where a vote is given once",
  });
});

check("while joint, the voters of both configurations are asked", () => {
  const membership = { ...initialMembership([1n, 2n]), outgoing: [1n, 3n, 4n] };
  const raft = coreWith({ membership });
  raft.campaign();
  const asked = work(raft).now.flatMap(({ kind, to }) => (kind === "vote" ? [to] : []));
  judge(asked.sort().join() === "2,3,4", {
    when: "member 1 stands, with voters 1 2 and outgoing voters 1 3 4",
    expected: "2, 3 and 4 are asked, each once",
    happened: asked.length > 0 ? `${asked.join(", ")} are asked` : "nobody is asked",
    why: "during a change both majorities must agree (section 4.3): unasked, one never does",
  });
});

check("our own vote counts once it is on disk", () => {
  const raft = coreWith({ voters: [1n] });
  raft.campaign();
  const ready = raft.ready();
  const { role, term, vote } = raft.state;
  judge(role === "candidate" && term === 1 && vote === 1n, {
    when: "the only voter stands for election, and its disk has written nothing yet",
    expected: "candidate in term 1, with its vote for itself",
    happened: `${role} in term ${term}, vote for ${vote}`,
    why: "elected without having noted it, it could be elected again in the same term",
  });
  const own = ready?.messagesAfterPersist.some(
    ({ kind, to }) => kind === "vote-reply" && to === 1n,
  );
  judge(own === true && ready?.messages.length === 0, {
    when: "the only voter stands for election",
    expected: "its yes to itself among the messages that wait for the disk",
    happened: `at once: ${kindsTo(ready?.messages ?? [])}`,
    why: "a vote is a promise, to whomever it is given",
  });
});

check("a candidate asks for votes once its own is on disk", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.campaign();
  work(raft);
  raft.step(yes(2n, 2, true));
  const ready = raft.ready();
  const early = ready?.messages.filter(({ kind }) => kind === "vote") ?? [];
  const asked = ready?.messagesAfterPersist.filter(({ kind }) => kind === "vote") ?? [];
  judge(early.length === 0 && asked.length === 2, {
    when: "a majority would vote for member 1, and it becomes candidate in term 2",
    expected: "its requests to 2 and 3 wait for the disk: sendAfterPersist",
    happened: `at once: ${kindsTo(early)}; after the disk: ${kindsTo(asked)}`,
    why: "elected and crashed, it would forget its term, and be elected in it a second time",
  });
});

check("a ballot ends when it is lost, and when a leader is heard", () => {
  const lost = coreWith({ term: 1 });
  lost.campaign();
  work(lost);
  for (const from of [2n, 3n]) lost.step({ ...yes(from, 1, true), granted: false });
  judge(lost.state.role === "follower", {
    when: "both others say no to a pre-vote",
    expected: "follower: the ballot is over",
    happened: lost.state.role,
    why: "a late yes would be counted for a ballot that nobody else remembers",
  });
  const late = coreWith({ term: 1 });
  late.campaign();
  work(late);
  late.step(yes(2n, 2, true));
  work(late);
  late.step(append(3n, 2, { index: 0, term: 0 }, []));
  const { role, leader } = late.state;
  judge(role === "follower" && leader === 3n, {
    when: "member 1 is candidate in term 2, and an append of term 2 comes from member 3",
    expected: "follower of member 3: it was elected",
    happened: `${role}, leader ${leader}`,
    why: "there is at most one leader in a term, and it is not us (Raft section 5.2)",
  });
});

check("who gives its vote waits anew before it stands itself", () => {
  const raft = coreWith({ term: 2, log: [1] });
  for (let i = 1; i < raft.state.electionTimeout; i++) raft.tick();
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  raft.tick();
  judge(raft.state.role === "follower", {
    when: "a tick before its timeout a member gives its vote; then comes the tick",
    expected: "it waits: the other is about to lead",
    happened: `it is ${raft.state.role}`,
    why: "it would depose whom it has just helped to elect (Raft section 5.2)",
  });
});

check("what others know to be committed is taken over from a ballot", () => {
  const raft = coreWith({ term: 2, log: [1, 2, 2], commit: 1 });
  raft.campaign();
  work(raft);
  const knows = { commit: 2, commitTerm: 2 };
  raft.step({ ...yes(2n, 2, true), granted: false, ...knows });
  judge(raft.state.log.committed === 2, {
    when: "an answer says that entry 2 of term 2 is committed, and our entry 2 is of term 2",
    expected: "commit index 2",
    happened: `commit index ${raft.state.log.committed}`,
    why: "a change of membership may wait in that entry, and decide who votes (takeCommitNews)",
  });
});

check("a leader repeats the newest read with its next heartbeat", () => {
  const raft = coreWith();
  electMember1(raft);
  work(raft);
  raft.step(appended(2n, raft.state.term, 1));
  work(raft);
  raft.requestReadIndex(7);
  const round = raft.leading!.reads.lastRound;
  // The first round of heartbeats is lost.
  work(raft);
  for (let i = 0; i < HEARTBEAT_TICKS; i++) raft.tick();
  const rounds = work(raft).now.flatMap((message) => {
    return message.kind === "heartbeat" ? [message.readId] : [];
  });
  judge(rounds.length === 2 && rounds.every((id) => id === round), {
    when: `a read waits for round ${round}, its heartbeats are lost; ${HEARTBEAT_TICKS} ticks`,
    expected: `a heartbeat to each of the two others, of round ${round}`,
    happened: rounds.length > 0 ? `rounds ${rounds.join(", ")}` : "no heartbeat",
    why: "the read would wait for ever, though a majority answers (dissertation section 6.4)",
  });
});

check("a handing over that comes to nothing is given up after a timeout", () => {
  const raft = coreWith();
  electMember1(raft);
  work(raft);
  raft.step(appended(2n, raft.state.term, 1));
  work(raft);
  raft.transferLeadership(3n);
  for (let i = 0; i < ELECTION_TICKS; i++) raft.tick();
  const { role } = raft.state;
  const taken = raft.propose([Buffer.from("x")]);
  judge(role === "leader" && typeof taken === "object" && "index" in taken, {
    when: "the leader was asked to hand over to member 3, which does not answer for a timeout",
    expected: "it leads on, and takes proposals again",
    happened: `it is ${role}, and says ${JSON.stringify(taken)}`,
    why: "a leader that waits for its successor refuses all writes (dissertation section 3.10)",
  });
});

check("a leader that votes no more tries to hand over, each timeout anew", () => {
  const membership = { ...initialMembership([2n, 3n]), outgoing: [1n, 2n, 3n] };
  const raft = coreWith({ membership });
  electMember1(raft);
  work(raft);
  for (const from of [2n, 3n]) raft.step(appended(from, raft.state.term, 1));
  work(raft);
  raft.applyChange({ steps: [], transition: "auto", context: Buffer.alloc(0) });
  work(raft);
  for (const from of [2n, 3n]) raft.step(appended(from, raft.state.term, raft.state.log.lastIndex));
  work(raft);
  for (let i = 0; i < ELECTION_TICKS; i++) raft.tick();
  const sent = work(raft).now.filter(({ kind }) => kind === "timeout-now");
  judge(sent.length === 1, {
    when: "member 1 leads, is no voter any more, and its first try to hand over came to nothing",
    expected: "after a timeout it tells a voter with all of its log to campaign now",
    happened: `it sent ${sent.length} of these`,
    why: "the cluster would depend on a machine that is to be taken away (D 4.2.2)",
  });
});
