import { seededRandom } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { majorityVote } from "@raft2kube/store/core/quorum.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import {
  append,
  askVote,
  type CoreState,
  coreWith,
  heartbeat,
  kindsTo,
  work,
  yes,
} from "../raft/core.ts";
import { agree, expectLeader } from "../raft/judged.ts";
import { ELECTION_MS, ELECTION_TICKS, TICK_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 20;

/** The members whose request for a vote or pre-vote was granted, one for each reply. */
function grantedTo(messages: readonly Message[]): MemberId[] {
  return messages.flatMap((message) => {
    return message.kind === "vote-reply" && message.granted ? [message.to] : [];
  });
}

check("an election is won by more than half of the votes, lost when that is impossible", () => {
  const cases = [
    [0, 0, 0, "won"],
    [1, 1, 0, "won"],
    [2, 1, 0, "pending"],
    [2, 1, 1, "lost"],
    [3, 1, 0, "pending"],
    [3, 1, 1, "pending"],
    [3, 2, 0, "won"],
    [3, 1, 2, "lost"],
    [4, 2, 0, "pending"],
    [4, 2, 2, "lost"],
    [5, 2, 2, "pending"],
    [5, 3, 0, "won"],
  ] as const;
  for (const [voters, yes, no, expected] of cases) {
    const ids = Array.from({ length: voters }, (_, i) => BigInt(i + 1));
    // A vote granted by a non-voter must not count.
    const votes = new Map([[99n, true]]);
    ids.slice(0, yes).forEach((id) => votes.set(id, true));
    ids.slice(yes, yes + no).forEach((id) => votes.set(id, false));
    const outcome = majorityVote(new Set(ids), votes);
    judge(outcome === expected, {
      when: `${voters} voters: ${yes} granted, ${no} rejected; one vote granted by a non-voter`,
      expected,
      happened: outcome,
      why: "any two majorities share a member, so a term has one leader (Raft section 5.2)",
    });
  }
});

check("election timeouts differ from one election to the next", () => {
  const random = seededRandom(7);
  const drawn = Array.from({ length: 60 }, () => coreWith({ random }).state.electionTimeout);
  const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
  judge(low >= ELECTION_TICKS && high < 2 * ELECTION_TICKS, {
    when: `60 members start, with electionTicks ${ELECTION_TICKS}`,
    expected: `timeouts of ${ELECTION_TICKS} to ${2 * ELECTION_TICKS - 1} ticks`,
    happened: `timeouts of ${low} to ${high} ticks`,
    why: "shorter timeouts depose healthy leaders, longer ones leave the cluster without a leader",
  });
  const different = new Set(drawn).size;
  judge(different > ELECTION_TICKS / 2, {
    when: "60 members start",
    expected: "timeouts distributed over that range",
    happened: `${different} different timeouts`,
    why: "members that time out together split the vote repeatedly (Raft section 5.2)",
  });
});

check("a member votes once in a term", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  raft.step(askVote(3n, 2, { index: 1, term: 1 }));
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  const { now, afterDisk } = work(raft);
  const granted = grantedTo([...now, ...afterDisk]);
  judge(granted.join() === "2,2", {
    when: "members 2 and 3 request a vote in term 2, then 2 again because the reply was lost",
    expected: "granted to member 2 each time, rejected for member 3",
    happened: granted.length === 0 ? "no vote granted" : `granted to ${granted.join(" and ")}`,
    why: "with two votes of one member both can reach a majority: two leaders in one term",
  });
});

check("a member that has a leader, or has voted, rejects other candidates of the term", () => {
  const follower = coreWith({ term: 1 });
  follower.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  work(follower);
  follower.step(askVote(3n, 1, { index: 1, term: 1 }));
  const voted = coreWith({ term: 2, vote: 3n, log: [1] });
  voted.step({ ...askVote(2n, 2, { index: 1, term: 1 }), pre: true });
  const cases = [
    [follower, "member 3 requests a vote in term 1, which member 2 leads"],
    [voted, "member 2, still in term 1, requests a pre-vote for term 2; its vote is given"],
  ] as const;
  for (const [raft, when] of cases) {
    const { now, afterDisk } = work(raft);
    const granted = grantedTo([...now, ...afterDisk]);
    judge(granted.length === 0, {
      when,
      expected: "rejected",
      happened: `granted to member ${granted.join()}`,
      why: "that election cannot be won: a needless campaign, and the leader is waited for longer",
    });
  }
});

check("a follower campaigns at the timeout that it has drawn", () => {
  const raft = coreWith({ term: 1 });
  const { electionTimeout } = raft.state;
  const roles = [electionTimeout - 1, 1].map((ticks) => {
    for (let i = 0; i < ticks; i++) raft.tick();
    return raft.state.role;
  });
  judge(roles.join() === "follower,pre-candidate", {
    when: `a follower has drawn ${electionTimeout} ticks; electionTicks is ${ELECTION_TICKS}`,
    expected: `follower after ${electionTimeout - 1} ticks, pre-candidate after ${electionTimeout}`,
    happened: `${roles[0]}, then ${roles[1]}`,
    why: "only the timeout that is drawn differs among members (Raft section 5.2)",
  });
});

check("a message of the leader resets the election timer", () => {
  const messages = [append(2n, 1, { index: 0, term: 0 }, [1]), heartbeat(2n, 1)];
  for (const message of messages) {
    const raft = coreWith({ term: 1 });
    const ticks = raft.state.electionTimeout - 1;
    for (let i = 0; i < ticks; i++) raft.tick();
    raft.step(message);
    work(raft);
    for (let i = 0; i < ticks; i++) raft.tick();
    judge(raft.state.role === "follower", {
      when:
        `a follower has drawn a timeout of ${ticks + 1} ticks: ${ticks} ticks, then a message of ` +
        `leader 2 (${message.kind}), then ${ticks} ticks`,
      expected: "it remains follower: the message resets its timer (electionElapsed)",
      happened: `it is ${raft.state.role}`,
      why: "a follower that counts on deposes a healthy leader (Raft section 5.2)",
    });
  }
});

check("granting a vote resets the election timer", () => {
  const raft = coreWith({ term: 2, log: [1] });
  for (let i = 1; i < raft.state.electionTimeout; i++) raft.tick();
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  raft.tick();
  judge(raft.state.role === "follower", {
    when: "a member grants its vote one tick before its election timeout; then one tick",
    expected: "it remains follower: the candidate is about to lead",
    happened: `it is ${raft.state.role}`,
    why: "it would depose the leader that it has just helped to elect (Raft section 5.2)",
  });
});

check("a refused vote does not reset the election timer, nor does a pre-vote", () => {
  const end = { index: 1, term: 1 };
  const cases = [
    ["refuses its vote: it has voted for member 3", { term: 2, vote: 3n, log: [1] }, 2, end, false],
    ["refuses its vote: its log is newer", { term: 2, log: [1, 2] }, 2, end, false],
    ["grants a pre-vote", { term: 1, log: [1] }, 2, end, true],
  ] as const;
  for (const [what, state, term, last, pre] of cases) {
    const raft = coreWith(state);
    for (let i = 1; i < raft.state.electionTimeout; i++) raft.tick();
    raft.step({ ...askVote(2n, term, last), pre });
    work(raft);
    raft.tick();
    judge(raft.state.role === "pre-candidate", {
      when: `one tick before its election timeout a member ${what}; then one tick`,
      expected: "pre-candidate: its timer ran on",
      happened: `it is ${raft.state.role}`,
      why: "a candidate that cannot win, and asks often, would keep all others from campaigning",
    });
  }
});

check("a candidate draws another election timeout", () => {
  const raft = coreWith({ random: seededRandom(7) });
  const drawn = Array.from({ length: ELECTION_TICKS }, () => {
    raft.campaign();
    work(raft);
    raft.step(yes(2n, raft.state.term + 1, true));
    work(raft);
    return raft.state.electionTimeout;
  });
  const different = new Set(drawn).size;
  judge(different > ELECTION_TICKS / 4, {
    when: `a member becomes candidate ${drawn.length} times, and is never elected`,
    expected: "a timeout drawn each time (enterTerm)",
    happened: `${different} different timeout${different === 1 ? "" : "s"}`,
    why: "two members that have drawn the same one would split each vote (Raft section 5.2)",
  });
});

check("a pre-candidate follows no leader, and grants the pre-vote of another", () => {
  const raft = coreWith({ term: 1 });
  raft.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  for (let i = 0; i < raft.state.electionTimeout; i++) raft.tick();
  work(raft);
  raft.step({ ...askVote(3n, 2, { index: 1, term: 1 }), pre: true });
  const granted = grantedTo(work(raft).now);
  judge(granted.join() === "3" && raft.state.leader === 0n, {
    when: "no message of leader 2 for an election timeout; then member 3 requests a pre-vote",
    expected: "granted; no leader is known",
    happened: `${granted.length > 0 ? "granted" : "no answer"}; leader ${raft.state.leader}`,
    why: "members that time out together would hold on to a leader that is gone (D 9.6)",
  });
});

check("no vote for a candidate whose log is less up to date", () => {
  const ours: CoreState = { term: 3, log: [1, 1, 2] };
  const cases = [
    [3, 2, true, "the same log"],
    [4, 2, true, "one entry more"],
    [2, 2, false, "one entry fewer, of the same term"],
    [9, 1, false, "many more entries, but of an older term"],
    [1, 3, true, "fewer entries, but of a newer term"],
  ] as const;
  for (const [index, term, expected, what] of cases) {
    const raft = coreWith(ours);
    raft.step(askVote(2n, 4, { index, term }));
    const { now, afterDisk } = work(raft);
    const granted = grantedTo([...now, ...afterDisk]).length > 0;
    judge(granted === expected, {
      when: `the member's log ends at 3/2, the candidate's at ${index}/${term}: ${what}`,
      expected: expected ? "granted" : "rejected",
      happened: granted ? "granted" : "rejected",
      why: "a leader must have every committed entry (Leader Completeness, Raft section 5.4.1)",
    });
  }
});

check("a pre-vote changes no member's term or vote", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step({ ...askVote(2n, 2, { index: 1, term: 1 }), pre: true });
  raft.step({ ...askVote(3n, 2, { index: 1, term: 1 }), pre: true });
  const { now } = work(raft);
  const { term, vote } = raft.state;
  judge(term === 1 && vote === 0n, {
    when: "members 2 and 3 request pre-votes for term 2, and no leader is known",
    expected: "term 1 still, and no vote granted",
    happened: `term ${term}, vote for ${vote}`,
    why: "a pre-vote must not disrupt the current term (dissertation section 9.6)",
  });
  const granted = now.filter((message) => message.kind === "vote-reply" && message.granted);
  judge(granted.length === 2 && granted.every((message) => message.term === 2), {
    when: "members 2 and 3 request pre-votes for term 2",
    expected: "granted to both, at once, with term 2, the term of the request",
    happened: `${granted.length} granted, terms ${granted.map((message) => message.term)}`,
    why: "a pre-vote is not binding; only in the election is a vote given once in a term",
  });
});

check("a refused pre-vote leaves the candidate's term unchanged", () => {
  const voter = coreWith({ term: 1, log: [1] });
  voter.step({ ...askVote(2n, 2, { index: 0, term: 0 }), pre: true });
  const [reply] = work(voter).now.flatMap((message) => {
    return message.kind === "vote-reply" ? [message] : [];
  });
  judge(reply?.granted === false && reply.term === 1, {
    when: "in term 1 a member without entry 1 requests a pre-vote for term 2",
    expected: "rejected, with term 1: the voter's own",
    happened: reply ? `granted: ${reply.granted}, term ${reply.term}` : "no reply",
    why: "a candidate enters the term of a rejection: its campaigns would raise it all the same",
  });
});

check("a vote is sent only after it is on disk", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  const { now, writes } = work(raft);
  const early = now.some((message) => message.kind === "vote-reply" && message.granted);
  judge(!early, {
    when: "member 2 requests a vote in term 2",
    expected: "the granted reply waits for the disk (sendAfterPersist)",
    happened: "it was sent at once",
    why: "a member that restarts without its vote votes again in the same term",
  });
  const noted = writes.some(({ hardState }) => hardState?.term === 2 && hardState.vote === 2n);
  judge(noted, {
    when: "member 2 requests a vote in term 2",
    expected: "term 2 and the vote for member 2 in the write",
    happened: JSON.stringify(writes.map(({ hardState }) => `term ${hardState?.term}`)),
    why: "term and vote are persistent state (Raft figure 2)",
  });
});

check("a member's own vote counts only after it is on disk", () => {
  const raft = coreWith({ voters: [1n] });
  raft.campaign();
  const ready = raft.ready();
  const own = ready?.messagesAfterPersist.some(
    ({ kind, to }) => kind === "vote-reply" && to === 1n,
  );
  judge(own === true && ready?.messages.length === 0, {
    when: "the only voter campaigns",
    expected: "its vote-reply to itself in messagesAfterPersist",
    happened:
      `after the disk: ${kindsTo(ready?.messagesAfterPersist ?? [])}; ` +
      `at once: ${kindsTo(ready?.messages ?? [])}`,
    why: "a vote is binding, also a member's vote for itself: it must survive a crash",
  });
  const { role, term, vote } = raft.state;
  judge(role === "candidate" && term === 1 && vote === 1n, {
    when: "the only voter campaigns, and nothing is on its disk yet",
    expected: "candidate in term 1, having voted for itself",
    happened: `${role} in term ${term}, vote for ${vote}`,
    why: "elected without a durable vote, it could be elected again in the same term",
  });
});

check("a candidate requests votes after its own is on disk", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.campaign();
  work(raft);
  raft.step(yes(2n, 2, true));
  const ready = raft.ready();
  const early = ready?.messages.filter(({ kind }) => kind === "vote") ?? [];
  const asked = ready?.messagesAfterPersist.filter(({ kind }) => kind === "vote") ?? [];
  judge(early.length === 0 && asked.length === 2, {
    when: "member 1 wins the pre-vote and becomes candidate in term 2",
    expected: "its requests to 2 and 3 wait for the disk (sendAfterPersist)",
    happened: `at once: ${kindsTo(early)}; after the disk: ${kindsTo(asked)}`,
    why: "after a crash it would not know its term, and could be elected in it twice",
  });
  const ends = asked.flatMap((message) => {
    return message.kind === "vote" ? [`${message.lastIndex}/${message.lastTerm}`] : [];
  });
  judge(ends.join() === "1/1,1/1", {
    when: "a candidate whose log ends with entry 1 of term 1, which is not committed",
    expected: "requests with 1/1, the end of its log",
    happened: `requests with ${ends.join(" and ")}`,
    why: "voters compare the ends of the logs: it could not win with all entries (section 5.4.1)",
  });
});

check("no vote is granted while a leader is active", () => {
  const raft = coreWith({ term: 1 });
  raft.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  work(raft);
  raft.step(askVote(3n, 5, { index: 9, term: 1 }));
  const asked = work(raft);
  const answers = asked.now.length + asked.afterDisk.length;
  judge(raft.state.term === 1 && answers === 0, {
    when: "member 3 requests a vote in term 5 just after a message from the leader",
    expected: "no reply, not even a rejection, and the term stays 1",
    happened: `the term is ${raft.state.term}, replies: ${answers}`,
    why: "a reply has a term too, and the asker may have lost only the leader (D 4.2.3)",
  });
  raft.step({ ...askVote(3n, 5, { index: 9, term: 1 }), transfer: true });
  judge(grantedTo(work(raft).afterDisk).length === 1, {
    when: "the same request, but as part of a leadership transfer to member 3",
    expected: "granted",
    happened: "rejected",
    why: "without leadership transfer every planned restart is an outage (D 3.10)",
  });
  const left = coreWith({ term: 1 });
  left.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  for (let i = 0; i < ELECTION_TICKS; i++) left.tick();
  work(left);
  left.step(askVote(3n, 5, { index: 9, term: 1 }));
  judge(grantedTo(work(left).afterDisk).length === 1, {
    when: `member 3 requests a vote ${ELECTION_TICKS} ticks after the leader's last message`,
    expected: "granted: that leader is no longer active",
    happened: "no vote",
    why: "the cluster would remain without a leader (dissertation 4.2.3)",
  });
});

scenario(
  "a member that was disconnected does not disrupt the cluster",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const leader = expectLeader(cluster, "three members start");
    agree(cluster, "before", { by: 3 });
    const { term } = leader;
    const away = cluster.servers.find((server) => server !== leader)!;
    cluster.disconnect(away);
    cluster.run(5 * ELECTION_MS);
    judge(away.term === term, {
      when: `member ${away.id} is disconnected for five seconds and times out repeatedly`,
      expected: `it stays in term ${term}: it sends only pre-votes`,
      happened: `it is in term ${away.term}`,
      why: "with a higher term it would depose a healthy leader (pre-vote, D 9.6)",
    });
    cluster.connect(away);
    agree(cluster, "after", { by: 3 });
    judge(leader.isLeader && leader.term === term, {
      when: `member ${away.id} is connected again`,
      expected: `member ${leader.id} remains leader in term ${term}`,
      happened: `term ${leader.term}, and it is ${leader.isLeader ? "" : "no longer "}leader`,
      why: "no writes are possible during an election",
    });
  },
);

scenario("a leader with one of two followers stays", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  const { term } = leader;
  cluster.disconnect(cluster.servers.find((server) => server !== leader)!);
  cluster.run(3 * ELECTION_TICKS * TICK_MS);
  judge(leader.isLeader && leader.term === term, {
    when: "one follower of two is disconnected for three election timeouts",
    expected: `member ${leader.id} remains leader in term ${term}: two of three are a majority`,
    happened: `term ${leader.term}, and it is ${leader.isLeader ? "" : "no longer "}leader`,
    why: "a cluster of three must survive the loss of one member (D 6.2)",
  });
});

scenario("a leader without a quorum steps down", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  cluster.run(ELECTION_MS);
  judge(leader.isLeader, {
    when: "all members are connected for a second",
    expected: `member ${leader.id} remains leader`,
    happened: "it stepped down",
    why: "followers that reply are a quorum; a reply counts for one election timeout",
  });
  cluster.disconnect(leader);
  cluster.run(3 * ELECTION_TICKS * TICK_MS);
  judge(!leader.isLeader, {
    when: `the leader, member ${leader.id}, is disconnected for three election timeouts`,
    expected: "it steps down",
    happened: `it is still leader of term ${leader.term}`,
    why: "its clients would wait without end, and it could return stale reads (D 6.2)",
  });
});
