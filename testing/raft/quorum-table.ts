import { jointIndex, jointVote, type VoterSets } from "@raft2kube/store/core/joint.ts";
import { majorityIndex, majorityVote, type VoteOutcome } from "@raft2kube/store/core/quorum.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { expect } from "vitest";

/** Each member's index or vote; a member that has not answered is not in it. */
type Known<T> = ReadonlyMap<MemberId, T>;

const EMPTY: ReadonlySet<MemberId> = new Set();

/**
 * Answers a request of a quorum table, in the form of etcd's raft/quorum/testdata:
 * `committed cfg=(1,2) cfgj=(2,3) idx=(5,_,7)` draws the indexes and returns the one that is
 * committed, `vote cfg=(1,2) votes=(y,_)` how the ballot stands. `idx` and `votes` have a word for
 * each member of `cfg`, then for those of `cfgj` alone; `_` has not answered. Without `cfgj` it is
 * a majority, with `cfgj=()` a joint quorum whose second half is empty. Each case asserts the
 * identities that hold for every quorum.
 */
export function answerQuorum(request: string): string {
  const lists = listsOf(request);
  const voters = new Set((lists.get("cfg") ?? []).map(BigInt));
  const outgoing = lists.get("cfgj");
  const sets = { voters, outgoing: new Set((outgoing ?? []).map(BigInt)) };
  if (request.startsWith("committed")) {
    const indexes = knownOf(sets, lists.get("idx") ?? [], Number);
    const index = outgoing === undefined ? ofMajority(voters, indexes) : ofJoint(sets, indexes);
    return `${drawn(sets, indexes)}${index === Number.MAX_SAFE_INTEGER ? "unbounded" : index}`;
  }
  const votes = knownOf(sets, lists.get("votes") ?? [], (word) => word === "y");
  return outgoing === undefined ? voteOfMajority(voters, votes) : voteOfJoint(sets, votes);
}

/** The arguments of a request: `cfg=(1,2) cfgj=(3)` gives lists by name. */
function listsOf(request: string): Map<string, string[]> {
  const found = request.matchAll(/(\w+)=\(([^)]*)\)/g);
  return new Map([...found].map(([, name, list]) => [name!, list!.split(",").filter(Boolean)]));
}

const membersOf = ({ voters, outgoing }: VoterSets) => [...new Set([...voters, ...outgoing])];

function knownOf<T>(sets: VoterSets, words: string[], read: (word: string) => T): Known<T> {
  const members = membersOf(sets);
  expect(words, "a word for each member").toHaveLength(members.length);
  const known = members.flatMap((id, i): [MemberId, T][] =>
    words[i] === "_" ? [] : [[id, read(words[i]!)]],
  );
  return new Map(known);
}

/** A row for each member: `?` where nothing is known, else a bar as long as its rank. */
function drawn(sets: VoterSets, indexes: Known<number>): string {
  const members = membersOf(sets).sort((a, b) => (a < b ? -1 : 1));
  const width = members.length;
  const known = members.map((id) => indexes.get(id) ?? 0);
  const rows = members.map((id) => {
    const index = indexes.get(id);
    const rank = known.filter((other) => other < (index ?? 0)).length;
    const bar = index === undefined ? "?" : `${"x".repeat(rank)}>`;
    return `${bar.padEnd(width)} ${String(index ?? 0).padStart(5)}  (id=${id})\n`;
  });
  return rows.length === 0 ? "" : `${" ".repeat(width)}   idx\n${rows.join("")}`;
}

const reader = (indexes: Known<number>) => (id: MemberId) => indexes.get(id) ?? 0;

function ofMajority(voters: ReadonlySet<MemberId>, indexes: Known<number>): number {
  const index = majorityIndex(voters, reader(indexes));
  expect(counted(voters, indexes), "counted").toBe(index);
  expectJoint({ voters, outgoing: EMPTY }, indexes, index, "joint with nobody");
  expectJoint({ voters, outgoing: voters }, indexes, index, "joint with itself");
  expectSettled({ voters, outgoing: EMPTY }, indexes, index);
  return index;
}

function ofJoint(sets: VoterSets, indexes: Known<number>): number {
  const index = jointIndex(sets, reader(indexes));
  const halves = [sets.voters, sets.outgoing].map((half) => counted(half, indexes));
  expect(Math.min(...halves), "the smaller of both halves").toBe(index);
  expectJoint({ voters: sets.outgoing, outgoing: sets.voters }, indexes, index, "symmetry");
  expectSettled(sets, indexes, index);
  return index;
}

function expectJoint(sets: VoterSets, indexes: Known<number>, index: number, why: string): void {
  expect(jointIndex(sets, reader(indexes)), why).toBe(index);
}

/** The definition, without sorting: the largest index that more than half of the voters reach. */
function counted(voters: ReadonlySet<MemberId>, indexes: Known<number>): number {
  if (voters.size === 0) return Number.MAX_SAFE_INTEGER;
  const indexOf = reader(indexes);
  const reached = [...voters]
    .map(indexOf)
    .filter((index) => [...voters].filter((id) => indexOf(id) >= index).length > voters.size / 2);
  return Math.max(0, ...reached);
}

/** An index below the result may be lower still, one above it higher: the result is the same. */
function expectSettled(sets: VoterSets, indexes: Known<number>, index: number): void {
  for (const [id, mine] of indexes) {
    if (mine === index) continue;
    const moved = mine < index ? [mine - 1, 0] : [mine + 1];
    for (const other of moved) {
      const instead = new Map(indexes).set(id, other);
      expectJoint(sets, instead, index, `member ${id} at ${other} instead of ${mine}`);
    }
  }
}

function voteOfMajority(voters: ReadonlySet<MemberId>, votes: Known<boolean>): VoteOutcome {
  const outcome = majorityVote(voters, votes);
  expect(jointVote({ voters, outgoing: EMPTY }, votes), "joint with nobody").toBe(outcome);
  expect(jointVote({ voters, outgoing: voters }, votes), "joint with itself").toBe(outcome);
  expectFinal({ voters, outgoing: EMPTY }, votes, outcome);
  return outcome;
}

function voteOfJoint(sets: VoterSets, votes: Known<boolean>): VoteOutcome {
  const outcome = jointVote(sets, votes);
  const { voters, outgoing } = sets;
  expect(jointVote({ voters: outgoing, outgoing: voters }, votes), "symmetry").toBe(outcome);
  expectFinal(sets, votes, outcome);
  return outcome;
}

/**
 * A ballot is won when those who granted are a quorum, and lost when none could be one even if all
 * others granted: what the missing members answer changes neither.
 */
function expectFinal(sets: VoterSets, votes: Known<boolean>, outcome: VoteOutcome): void {
  const granted = (missing: boolean) =>
    jointIndex(sets, (id) => Number(votes.get(id) ?? missing)) > 0;
  expect(granted(false), "granted by a quorum").toBe(outcome === "won");
  expect(granted(true), "can be granted by a quorum").toBe(outcome !== "lost");
}
