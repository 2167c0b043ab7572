import { expect, it } from "vitest";
import { describeJudgement } from "../judge.ts";
import { hintOfCheck } from "./bodies.ts";
import type { CheckOutcome } from "./check.ts";
import { nextHint } from "./hints.ts";
import { findLab } from "./manifest.ts";
import { describeEnd, describeUnwritten, typesFirst } from "./report.ts";

const NONE = { leftOut: [], stopped: false, trees: [], costs: {} };

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
      return { ...NONE, outcomes: [outcome("early"), outcome("late")] };
    },
    ({ title }) => reported.push(title),
  );
  const titles = (await all).outcomes.map(({ title }) => title);
  expect(titles).toEqual(["the code type-checks", "early", "late"]);
  expect([...reported].sort()).toEqual(["early", "late", "the code type-checks"]);
  expect(reported[0]).toBe("the code type-checks");
});

it("shows the failed scenario with the fewest members, then lines, after a rule", () => {
  const failed = (title: string, members: number, lines: number) => ({
    title,
    passed: false,
    message: "",
    scenario: true,
    size: { members, lines },
  });
  const scenarios = [failed("of five", 5, 3), failed("long", 3, 9), failed("short", 3, 8)];
  const shown = (outcomes: CheckOutcome[]) =>
    [...describeEnd(findLab("3"), {}, { outcomes, ...NONE }).matchAll(/✗ (.*)/g)].map(
      ([, title]) => title,
    );
  expect(shown(scenarios)).toEqual(["short"]);
  const rule = { title: "a rule", passed: false, message: "" };
  expect(shown([...scenarios, rule])).toEqual(["short"]);
  expect(shown([rule, ...scenarios])).toEqual(["a rule", "short"]);
});

it("leads from a body that is not written yet to the hint for it", () => {
  const end = (body: string) => {
    const message = `lab 02: ${body} is not written yet: my/02/store/wal/wal.ts:133`;
    const failed = { title: "close", passed: false, unwritten: true, message };
    return describeEnd(findLab("2"), {}, { ...NONE, outcomes: [failed] });
  };
  expect(end("pump")).toContain("Stuck? npm run lab -- hint 02 --for pump");
  expect(end("other")).toContain("Stuck? npm run lab hint 02");
});

it("leads from a check that fails to the hint for the body that it judges", () => {
  const failed = { title: "DEL: gives the address back last", passed: false, message: "" };
  const verdict = { outcomes: [failed], ...NONE };
  expect(describeEnd(findLab("12"), {}, verdict)).toContain("npm run lab -- hint 12 --for del");
});

it("leads from a judgement that names a body to the hint for it", () => {
  const judgement = { when: "w", happened: "h", expected: "e", why: "y", body: "planNewSandbox" };
  const message = describeJudgement(judgement);
  const failed = { title: "sync loop: OnFailure", passed: false, message };
  const verdict = { outcomes: [failed], ...NONE };
  const end = describeEnd(findLab("11"), {}, verdict);
  expect(end).toContain("npm run lab -- hint 11 --for planNewSandbox");
});

it("leads from a check to the hint for the body with most of the mistakes that it catches", () => {
  const failed = { title: "encodes records", passed: false, message: "" };
  for (const { caughtBy, file } of findLab("2").mutants) {
    const title = `before ${caughtBy} after`;
    expect(hintOfCheck(findLab("2"), title)?.for, `${file}: ${title}`).toBeDefined();
  }
  const [mutant] = findLab("2").mutants;
  const outcomes = [{ ...failed, title: mutant!.caughtBy }];
  expect(describeEnd(findLab("2"), {}, { ...NONE, outcomes })).toMatch(/--for \w+$/);
});

it("names unwritten bodies in one line, and other labs whose parts were loaded", () => {
  const unwritten = (title: string, body: string): CheckOutcome => ({
    title,
    passed: false,
    unwritten: true,
    message: `lab 02: ${body} is not written yet: x.ts:1`,
  });
  const outcomes = [unwritten("a", "pump"), unwritten("b", "pump"), unwritten("c", "readSegment")];
  expect(describeUnwritten({ outcomes })).toEqual([
    "  ○ 3 checks wait for what is not written yet: pump, readSegment",
  ]);
  const trees = ["/my/11", "/my/02"];
  const end = (used: string[]) =>
    describeEnd(findLab("11"), {}, { outcomes: [outcome("a")], ...NONE, trees: used });
  expect(end(trees)).toContain("1 of 1 checks pass (with your part of lab 02): lab 11 is done");
  expect(end(["/my/11"])).toContain("1 of 1 checks pass: lab 11 is done");
});

it("has a hint for the body of exactly this name, before those whose name begins like it", () => {
  expect(nextHint(findLab("12"), {}, "del").topic).toBe("del");
  expect(nextHint(findLab("12"), {}, "deleteP").topic).toBe("deletePair");
});
