import { expect, test } from "vitest";
import { ElectionSafety, HardStateKept, OneVotePerTerm } from "./elections.ts";

test("election safety: one leader in each term passes, two in one do not", () => {
  const good = new ElectionSafety();
  good.leads(1n, 2);
  good.leads(1n, 2);
  good.leads(2n, 3);
  expect(good.terms).toBe(2);
  expect(() => good.leads(3n, 3)).toThrow("election safety: term 3 is led by 2 and 3");
  expect(() => good.leads(2n, 3, 1)).toThrow("election safety: term 3 is led by 2 twice");
});

test("one vote per term: the same vote twice passes, another does not", () => {
  const votes = new OneVotePerTerm();
  votes.granted(1n, 2, 3n);
  votes.granted(1n, 2, 3n);
  votes.granted(1n, 3, 2n);
  expect(() => votes.granted(1n, 2, 2n)).toThrow("1 voted for 3 and 2 in term 2");
});

test("term and vote kept: they go forward, never back, nor is a vote taken back", () => {
  const kept = () => {
    const checker = new HardStateKept();
    checker.persisted(1n, { term: 4, vote: 0n });
    checker.persisted(1n, { term: 4, vote: 2n });
    return checker;
  };
  kept().recovered(1n, { term: 4, vote: 2n });
  kept().recovered(1n, { term: 5, vote: 0n });
  expect(() => kept().recovered(1n, { term: 3, vote: 2n })).toThrow("came back with term 3");
  expect(() => kept().recovered(1n, { term: 4, vote: 0n })).toThrow("term and vote kept");
  const wrote = "wrote term 4 and a vote for 3; its disk had";
  expect(() => kept().persisted(1n, { term: 4, vote: 3n })).toThrow(wrote);
});

test("leads by a durable vote: one that a crash would not make forget, and no other", () => {
  const checker = new HardStateKept();
  checker.persisted(1n, { term: 4, vote: 1n });
  checker.leads(1n, 4);
  expect(() => checker.leads(1n, 5)).toThrow("1 leads term 5 and may forget it");
  checker.persisted(1n, { term: 5, vote: 2n });
  expect(() => checker.leads(1n, 5)).toThrow("leads by a durable vote");
});
