import { expect, it } from "vitest";
import type { CheckOutcome } from "./check.ts";
import { typesFirst } from "./report.ts";

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
      return { outcomes: [outcome("early"), outcome("late")], stopped: false };
    },
    ({ title }) => reported.push(title),
  );
  const titles = (await all).outcomes.map(({ title }) => title);
  expect(titles).toEqual(["the code type-checks", "early", "late"]);
  expect([...reported].sort()).toEqual(["early", "late", "the code type-checks"]);
  expect(reported[0]).toBe("the code type-checks");
});
