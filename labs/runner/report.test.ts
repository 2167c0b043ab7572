import { expect, it } from "vitest";
import { describeJudgement } from "../judge.ts";
import type { CheckOutcome } from "./check.ts";
import { nextHint } from "./hints.ts";
import { findLab } from "./manifest.ts";
import { describeEnd, typesFirst } from "./report.ts";

const outcome = (title: string): CheckOutcome => ({ title, passed: true, message: "" });

it("type errors are listed and counted, before the outcomes of the checks", async () => {
  const types = Promise.withResolvers<string>();
  const reported: string[] = [];
  const all = typesFirst(
    types.promise,
    async (report) => {
      report(outcome("early"));
      types.resolve("wal.ts(3,1): error TS2322: wrong\n");
      await types.promise;
      await Promise.resolve();
      report(outcome("late"));
      return { outcomes: [outcome("early"), outcome("late")], leftOut: [], stopped: false };
    },
    ({ title }) => reported.push(title),
  );
  const titles = (await all).outcomes.map(({ title }) => title);
  expect(titles).toEqual(["the code type-checks", "early", "late"]);
  expect([...reported].sort()).toEqual(["early", "late", "the code type-checks"]);
  expect(reported[0]).toBe("the code type-checks");
});

it("shows the failed scenario with the fewest members, then lines, after a rule", () => {
  const failed = (title: string, members: number, lines: number) =>
    ({ title, passed: false, message: "", scenario: true, size: { members, lines } });
  const scenarios = [failed("of five", 5, 3), failed("long", 3, 9), failed("short", 3, 8)];
  const shown = (outcomes: CheckOutcome[]) =>
    [...describeEnd(findLab("3"), {}, { outcomes, leftOut: [], stopped: false })
      .matchAll(/✗ (.*)/g)].map(([, title]) => title);
  expect(shown(scenarios)).toEqual(["short"]);
  const rule = { title: "a rule", passed: false, message: "" };
  expect(shown([...scenarios, rule])).toEqual(["short"]);
  expect(shown([rule, ...scenarios])).toEqual(["a rule", "short"]);
});

it("leads from a body that is not written yet to the hint for it", () => {
  const end = (body: string) => {
    const message = `lab 02: ${body} is not written yet: my/02/store/wal/wal.ts:133`;
    const failed = { title: "close", passed: false, unwritten: true, message };
    return describeEnd(findLab("2"), {}, { outcomes: [failed], leftOut: [], stopped: false });
  };
  expect(end("pump")).toContain("Stuck? npm run lab -- hint 02 --for pump");
  expect(end("other")).toContain("Stuck? npm run lab hint 02");
});

it("leads from a check that fails to the hint for the body that it judges", () => {
  const failed = { title: "DEL: gives the address back last", passed: false, message: "" };
  const verdict = { outcomes: [failed], leftOut: [], stopped: false };
  expect(describeEnd(findLab("12"), {}, verdict)).toContain("npm run lab -- hint 12 --for del");
});

it("leads from a judgement that names a body to the hint for it", () => {
  const judgement = { when: "w", happened: "h", expected: "e", why: "y", body: "planNewSandbox" };
  const message = describeJudgement(judgement);
  const failed = { title: "sync loop: OnFailure", passed: false, message };
  const verdict = { outcomes: [failed], leftOut: [], stopped: false };
  const end = describeEnd(findLab("11"), {}, verdict);
  expect(end).toContain("npm run lab -- hint 11 --for planNewSandbox");
});

it("has a hint for the body of exactly this name, before those whose name begins like it", () => {
  expect(nextHint(findLab("12"), {}, "del").topic).toBe("del");
  expect(nextHint(findLab("12"), {}, "deleteP").topic).toBe("deletePair");
});
