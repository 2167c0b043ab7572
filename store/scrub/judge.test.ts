import { expect, test } from "vitest";
import { both, judge, type Verdict } from "./judge.ts";

const says = (member: bigint, hash: number, compactRevision = 5) => {
  return { member, hash, compactRevision, revision: 9 };
};

test.each<[string, ReturnType<typeof says>[], number, Verdict]>([
  ["all say the same", [says(1n, 7), says(2n, 7), says(3n, 7)], 3, { kind: "agree" }],
  ["one of three differs", [says(1n, 7), says(2n, 8), says(3n, 7)], 3, wrong(2n)],
  ["the asking member differs", [says(1n, 8), says(2n, 7), says(3n, 7)], 3, wrong(1n)],
  [
    "two differ from three",
    [1n, 2n, 3n, 4n, 5n].map((id) => says(id, id > 3n ? 8 : 7)),
    5,
    wrong(4n, 5n),
  ],
  ["two of two differ", [says(1n, 7), says(2n, 8)], 2, { kind: "divided" }],
  ["two of three answered and differ", [says(1n, 7), says(2n, 8)], 3, { kind: "divided" }],
  ["all differ", [says(1n, 7), says(2n, 8), says(3n, 9)], 3, { kind: "divided" }],
  ["no other member answered", [says(1n, 7)], 3, { kind: "agree" }],
  ["one is compacted otherwise", [says(1n, 7), says(2n, 8, 6), says(3n, 7)], 3, { kind: "agree" }],
])("%s", (_name, testimonies, count, verdict) => {
  expect(judge(testimonies, count)).toEqual(verdict);
});

function wrong(...members: bigint[]): Verdict {
  return { kind: "corrupt", members };
}

test("only what shows twice counts", () => {
  const divided: Verdict = { kind: "divided" };
  const agree: Verdict = { kind: "agree" };
  expect(both(wrong(1n, 2n), wrong(2n, 3n))).toEqual(wrong(2n));
  expect(both(wrong(1n), wrong(2n))).toEqual(agree);
  expect(both(wrong(1n), agree)).toEqual(agree);
  expect(both(agree, divided)).toEqual(agree);
  expect(both(divided, wrong(1n))).toEqual(divided);
});
