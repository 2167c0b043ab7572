import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import {
  append,
  appended,
  askVote,
  coreWith,
  electMember1,
  kindsTo,
  work,
  yes,
} from "../raft/core.ts";
import { ELECTION_TICKS, HEARTBEAT_TICKS } from "../raft/limits.ts";

check("while joint, the voters of both configurations receive vote requests", () => {
  const membership = { ...initialMembership([1n, 2n]), outgoing: [1n, 3n, 4n] };
  const raft = coreWith({ membership });
  raft.campaign();
  const asked = work(raft).now.flatMap(({ kind, to }) => (kind === "vote" ? [to] : []));
  judge(asked.sort().join() === "2,3,4", {
    when: "member 1 campaigns, with voters 1 2 and outgoing voters 1 3 4",
    expected: "one vote request each to 2, 3 and 4",
    happened: asked.length > 0 ? `requests to ${asked.join(", ")}` : "no requests",
    why: "during a change both majorities must agree (section 4.3); both must be asked",
  });
});

check("a learner receives no vote request", () => {
  const raft = coreWith({ membership: { ...initialMembership([1n, 2n]), learners: [3n] } });
  raft.campaign();
  const asked = work(raft).now.flatMap(({ kind, to }) => (kind === "vote" ? [to] : []));
  judge(asked.join() === "2", {
    when: "member 1 campaigns, with voters 1 2 and learner 3",
    expected: "a vote request to 2 alone",
    happened: asked.length > 0 ? `requests to ${asked.join(", ")}` : "no requests",
    why: "a learner's vote does not count; asked, it would enter the term for nothing (D 4.2.1)",
  });
});

check("while joint, a majority of each configuration must grant the vote", () => {
  const membership = { ...initialMembership([1n, 2n]), outgoing: [1n, 3n, 4n] };
  const raft = coreWith({ membership });
  raft.campaign();
  work(raft);
  const roles = [2n, 3n].map((from) => {
    raft.step(yes(from, 1, true));
    return raft.state.role;
  });
  judge(roles.join() === "pre-candidate,candidate", {
    when: "voters 1 2, outgoing voters 1 3 4: member 2 grants the pre-vote, then member 3",
    expected: "pre-candidate after the first, candidate after the second",
    happened: `${roles[0]} after the first, ${roles[1]} after the second`,
    why: "until the change is over, each configuration could elect a leader (section 4.3)",
  });
});

check("a member that is asked to take over requests votes for a transfer", () => {
  const raft = coreWith({ term: 1 });
  raft.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  work(raft);
  raft.step({ kind: "timeout-now", from: 2n, to: 1n, term: 1 });
  const { now, afterDisk } = work(raft);
  const asked = [...now, ...afterDisk].flatMap((message) => {
    return message.kind === "vote" ? [`${message.transfer}/${message.pre}`] : [];
  });
  judge(asked.join() === "true/false,true/false", {
    when: "leader 2 transfers its leadership to member 1 (timeout-now)",
    expected: "requests with transfer set, without a pre-vote, to members 2 and 3",
    happened: asked.length > 0 ? `transfer/pre: ${asked.join(" ")}` : "no requests",
    why: "voters hold on to an active leader otherwise, and the transfer fails (D 3.10)",
  });
});

check("the reply to a vote request tells what is committed", () => {
  const raft = coreWith({ term: 1, log: [1, 1], commit: 1 });
  raft.step(askVote(2n, 2, { index: 0, term: 0 }));
  const [reply] = work(raft).now.flatMap((message) => {
    return message.kind === "vote-reply" ? [message] : [];
  });
  judge(reply?.granted === false && reply.commit === 1 && reply.commitTerm === 1, {
    when: "a candidate with an empty log requests a vote; entry 1 of term 1 is committed here",
    expected: "rejected, with commit 1 and commitTerm 1 (commitNews)",
    happened: reply ? `commit ${reply.commit}, commitTerm ${reply.commitTerm}` : "no reply",
    why: "entry 1 may be a membership change, and this the only member up that knows of its commit",
  });
});

check("a pre-candidate counts answers to its own pre-vote, and learns of later terms", () => {
  const raft = coreWith({ term: 1 });
  raft.campaign();
  work(raft);
  raft.step(yes(2n, 1, true));
  const { role } = raft.state;
  judge(role === "pre-candidate", {
    when: "a pre-candidate in term 1 asks for term 2; a granted pre-vote for term 1 comes late",
    expected: "it is not counted: still pre-candidate",
    happened: role,
    why: "it was given before term 1 began; since then that member may have found a leader",
  });
  raft.step({ ...yes(2n, 5, true), granted: false });
  const { term } = raft.state;
  judge(term === 5 && raft.state.role === "follower", {
    when: "a pre-candidate in term 1 is rejected by a member in term 5",
    expected: "follower in term 5",
    happened: `${raft.state.role} in term ${term}`,
    why: "a member of an older term is never elected: it would ask without end (section 5.1)",
  });
});

check("a campaign ends when it is lost or when another leader is known", () => {
  const lost = coreWith({ term: 1 });
  lost.campaign();
  work(lost);
  for (const from of [2n, 3n]) lost.step({ ...yes(from, 1, true), granted: false });
  judge(lost.state.role === "follower", {
    when: "both other voters reject a pre-vote",
    expected: "follower: the campaign has ended",
    happened: lost.state.role,
    why: "otherwise a late reply is counted for a campaign that has ended",
  });
  const late = coreWith({ term: 1 });
  late.campaign();
  work(late);
  late.step(yes(2n, 2, true));
  work(late);
  late.step(append(3n, 2, { index: 0, term: 0 }, []));
  const { role, leader } = late.state;
  judge(role === "follower" && leader === 3n, {
    when: "member 1 is candidate in term 2 and receives an append of term 2 from member 3",
    expected: "follower of member 3, which was elected",
    happened: `${role}, leader ${leader}`,
    why: "a term has at most one leader, here member 3 (Raft section 5.2)",
  });
});

check("a candidate learns the commit index from vote replies", () => {
  const raft = coreWith({ term: 2, log: [1, 2, 2], commit: 1 });
  raft.campaign();
  work(raft);
  const knows = { commit: 2, commitTerm: 2 };
  raft.step({ ...yes(2n, 2, true), granted: false, ...knows });
  judge(raft.state.log.committed === 2, {
    when: "a reply has commit index 2, term 2; the candidate's entry 2 is of term 2",
    expected: "commit index 2",
    happened: `commit index ${raft.state.log.committed}`,
    why: "that entry may be a membership change, which decides which members vote (takeCommitNews)",
  });
});

check("a leader repeats the newest read round with its next heartbeat", () => {
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
    expected: `a heartbeat of round ${round} to each of the two others`,
    happened: rounds.length > 0 ? `rounds ${rounds.join(", ")}` : "no heartbeat",
    why: "otherwise the read never completes, though a majority replies (dissertation section 6.4)",
  });
});

check("a leadership transfer that fails is abandoned after an election timeout", () => {
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
    when: "a transfer to member 3 was requested; member 3 does not reply for an election timeout",
    expected: "it remains leader and accepts proposals again",
    happened: `it is ${role}, and propose returns ${JSON.stringify(taken)}`,
    why: "during a transfer the leader rejects all writes (dissertation section 3.10)",
  });
});

check("a leader that is no voter retries its transfer at each election timeout", () => {
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
    when: "member 1 is leader but no longer voter; its first leadership transfer has failed",
    expected: "after an election timeout one timeout-now to a voter whose log is up to date",
    happened: `it sent ${sent.length} timeout-now messages`,
    why: "otherwise the cluster depends on a machine that is being removed (D 4.2.2)",
  });
});

check("a leader that is no voter hands over to a voter that answers", () => {
  const membership = { ...initialMembership([2n, 3n, 4n]), outgoing: [1n, 2n, 3n] };
  const raft = coreWith({ membership });
  electMember1(raft);
  work(raft);
  const answer = (from: bigint) => {
    raft.step(appended(from, raft.state.term, raft.state.log.lastIndex));
  };
  for (const from of [2n, 3n, 4n]) answer(from);
  work(raft);
  raft.applyChange({ steps: [], transition: "auto", context: Buffer.alloc(0) });
  work(raft);
  for (const from of [2n, 3n, 4n]) answer(from);
  work(raft);
  for (let i = 0; i < ELECTION_TICKS; i++) raft.tick();
  work(raft);
  for (const from of [3n, 4n]) answer(from);
  work(raft);
  for (let i = 0; i < ELECTION_TICKS; i++) raft.tick();
  const sent = work(raft).now.filter(({ kind }) => kind === "timeout-now");
  judge(sent.map(({ to }) => to).join() === "3", {
    when: "voters 2 3 4 have the whole log; 3 and 4 have answered since the last check, 2 has not",
    expected: "timeout-now to member 3: the check of who answers restarts after the handover",
    happened: kindsTo(sent),
    why: "a successor that is down takes nothing over, and is chosen again each time (D 4.2.2)",
  });
});
