import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LABS_DIR } from "../runner/paths.ts";
import { registeredScenarios } from "./scenario.ts";

const LABS = readdirSync(LABS_DIR).filter((name) => /^0[345]-/.test(name));

// The first scenario that fails ends the run: its diagram is what the reader sees.
it.each(LABS)("scenarios of safety come with the fewest members first: %s", async (lab) => {
  const before = registeredScenarios().length;
  await import(join(LABS_DIR, lab, "safety.check.ts"));
  const members = registeredScenarios()
    .slice(before)
    .map(({ options }) => options.servers);
  expect(members.length).toBeGreaterThan(0);
  expect(members).toEqual(members.toSorted((one, other) => one - other));
});
