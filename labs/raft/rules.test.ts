import { expect, it } from "vitest";
import { judgeRules } from "./rules.ts";

const rule = {
  given: "term 1 log 1",
  do: "2 vote term 2 log 1/1",
  when: "member 2 requests a vote",
  see: "term 2 | after-disk granted to 2",
  why: "a leader is needed",
};

it("a failure names what is expected and what is seen in the same words, and the why", () => {
  expect(() => judgeRules([rule])).not.toThrow();
  expect(() =>
    judgeRules([{ ...rule, see: "term 2 | after-disk granted to 3", expected: "3" }]),
  ).toThrow(
    [
      "member 2 requests a vote",
      "  what happened:  term 2, after-disk granted to 2",
      "  expected:       term 2, after-disk granted to 3 (3)",
      "  why it matters: a leader is needed",
    ].join("\n"),
  );
});

it("a rule without `given` goes on where the one before ended, and sees its own steps alone", () => {
  const next = { do: "3 vote term 2 log 1/1", when: "then", see: "sent granted none", why: "one" };
  expect(() => judgeRules([rule, next])).not.toThrow();
  expect(() => judgeRules([rule, { ...next, do: "2 vote term 2 log 1/1" }])).toThrow(
    "granted to 2",
  );
});

it("a rule is judged for each row", () => {
  const each = [[2], [3]];
  const forEach = { ...rule, do: "$1 vote term 2 log 1/1", see: "after-disk granted to $1", each };
  expect(() => judgeRules([forEach])).not.toThrow();
  expect(() => judgeRules([{ ...forEach, see: "after-disk granted to 2" }])).toThrow(
    "after-disk granted to 3",
  );
});

it.each([
  [{ do: "sleep" }, "unknown step: sleep"],
  [{ given: "term 1 comit 1" }, "unknown word: comit"],
  [{ do: "2 vote trem 2" }, "unknown word: trem"],
  [{ do: "2 vote after 1/1" }, "unknown word: after"],
  [{ do: "propose cuont 2" }, "unknown word: cuont"],
  [{ do: "tick timeuot" }, "unknown count of ticks: timeuot"],
  [{ see: "sent votee none" }, "unknown message: votee"],
  [{ see: "sent votee>2 none" }, "unknown message: votee>2"],
  [{ see: "wrote voet none" }, "unknown part of a write: voet"],
  [{ do: "2 greets" }, "unknown message: greets of member 2"],
  [{ see: "mood good" }, "unknown observation: mood good"],
  [{ see: "role" }, "no value: role"],
  [{ see: "granted 2" }, "unknown observation: granted 2"],
])("a mistake in a script is an error: %o", (mistake, message) => {
  expect(() => judgeRules([{ ...rule, ...mistake }])).toThrow(RangeError);
  expect(() => judgeRules([{ ...rule, ...mistake }])).toThrow(message);
});
