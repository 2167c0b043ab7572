import { expect, test } from "vitest";
import {
  CommitMonotonic,
  CommitsOwnTerm,
  LeaderAppendOnly,
  LogMatching,
  type LogView,
  leaderCompleteness,
  StateMachineSafety,
} from "./logs.ts";

/** A log whose entries have these terms, from entry 1 on. */
function logOf(...terms: number[]): LogView {
  const term = (index: number) => (index === 0 ? 0 : terms[index - 1]);
  return { firstIndex: 1, lastIndex: terms.length, term };
}

const entry = (index: number, term: number, digest = "a") => ({ index, term, digest });

test("log matching: equal entries follow equal entries", () => {
  const matching = new LogMatching();
  matching.written(1n, entry(5, 2), 1);
  matching.written(2n, entry(5, 2), 1);
  matching.written(2n, entry(5, 3, "b"), 2);
  expect(() => matching.written(3n, entry(5, 2, "other"), 1)).toThrow("another entry 5/2");
  expect(() => matching.written(3n, entry(5, 2), 2)).toThrow("after 2, not 1");
});

test("state machine safety: the same at each index, in order, on every member", () => {
  const machine = new StateMachineSafety();
  expect(machine.applied(1n, entry(2, 1), 2, 1)).toBe(true);
  expect(machine.applied(1n, entry(3, 1), 2, 3)).toBe(true);
  expect(machine.applied(2n, entry(2, 1), 2, 1)).toBe(false);
  expect(() => machine.applied(2n, entry(3, 2), 2, 3)).toThrow('2 applied 3/2 "a", others 3/1 "a"');
  expect(() => machine.applied(2n, entry(3, 1, "b"), 2, 3)).toThrow("state machine safety");
  expect(() => machine.applied(2n, entry(9, 1), 2, 3)).toThrow("none before");
});

test("leader completeness: a leader has what was committed, or has compacted it", () => {
  leaderCompleteness(1n, logOf(1, 1, 2), entry(3, 2));
  leaderCompleteness(1n, { ...logOf(), firstIndex: 9, lastIndex: 9 }, entry(3, 2));
  expect(() => leaderCompleteness(1n, logOf(1, 1), entry(3, 2))).toThrow("it has term undefined");
  expect(() => leaderCompleteness(1n, logOf(1, 1, 1), entry(3, 2))).toThrow("leader completeness");
});

test("leader completeness: a term's leader owes what was committed before its term began", () => {
  const machine = new StateMachineSafety();
  machine.applied(1n, entry(1, 1), 1, 1);
  machine.applied(1n, entry(2, 1), 1, 4);
  machine.applied(2n, entry(3, 6), 1, 6);
  expect(machine.committedBefore(1)).toBeUndefined();
  expect(machine.committedBefore(4)).toEqual(entry(1, 1));
  expect(machine.committedBefore(5)).toEqual(entry(2, 1));
  expect(machine.committedBefore(7)).toEqual(entry(3, 6));
});

test("leader append-only: it may grow, and be another's after its leadership", () => {
  const watched = () => {
    const checker = new LeaderAppendOnly();
    checker.leads(1n, "term 2", logOf(1, 2));
    checker.leads(1n, "term 2", logOf(1, 2, 2));
    return checker;
  };
  watched().leads(1n, "term 4", logOf(1, 4));
  expect(() => watched().leads(1n, "term 2", logOf(1, 2))).toThrow("leader append-only");
  expect(() => watched().leads(1n, "term 2", logOf(1, 2, 1, 2))).toThrow("at or before 3");
});

test("commits in own term: a leader never counts entries of an older one", () => {
  const leadership = () => {
    const checker = new CommitsOwnTerm();
    checker.leads(1n, "term 4", 4, logOf(1, 2, 2, 4), 1);
    return checker;
  };
  leadership().leads(1n, "term 4", 4, logOf(1, 2, 2, 4), 4);
  const wrong = () => leadership().leads(1n, "term 4", 4, logOf(1, 2, 2, 4), 3);
  expect(wrong).toThrow("1 counted 3/2 as leader of term 4");
});

test("commit never decreases, but over a restart", () => {
  const checker = new CommitMonotonic();
  checker.seen(1n, 0, 5);
  checker.seen(1n, 1, 3);
  expect(() => checker.seen(1n, 1, 2)).toThrow("1 went from 3 to 2");
});
