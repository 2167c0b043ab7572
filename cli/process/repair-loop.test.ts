import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { LOOK_MS, startRepairLoop } from "./repair-loop.ts";

test("each failure is in the log once, until another follows or none", async () => {
  const outcomes = ["busy", "busy", "full", "", "full", "", "put back"];
  const logged: string[] = [];
  const clock = new ManualClock();
  let next = 0;
  const loop = startRepairLoop({
    async repair() {
      const outcome = outcomes[next++];
      if (outcome === "put back" || !outcome) return outcome === "put back";
      throw new Error(outcome);
    },
    what: "the rule",
    log: { warn: (message, fields) => logged.push(String(fields?.["error"] ?? message)) },
    clock,
  });
  await expect
    .poll(() => {
      clock.advance(LOOK_MS);
      return next;
    })
    .toBe(outcomes.length);
  await loop.close();
  expect(logged).toEqual(["busy", "full", "full", "another program changed the rule; put back"]);
});
