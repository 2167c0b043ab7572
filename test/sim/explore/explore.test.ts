import { expect, test } from "vitest";
import { MUTANTS } from "../mutants/all.ts";
import { SCENARIOS } from "./scenarios.ts";
import { explore } from "./search.ts";
import { readStates } from "./states.ts";

const BOUNDS = { deviations_max: 1, steps_max: 300, states_max: 20_000 };

test.each(SCENARIOS)("$name: one departure from the plain schedule breaks nothing", (scenario) => {
  const { complete, states, paths, broken } = explore(scenario, BOUNDS);
  expect(broken).toBeUndefined();
  expect(complete).toBe(true);
  const recorded = readStates().find((each) => each.scenario === scenario.name);
  expect({ states, paths }, "npm run explore -- --record").toEqual(recorded?.departures[0]);
});

test.each([
  ["applies a change before its commit index is durable", "change is durable"],
  ["writes a change without the commit of the one before", "a change is known to be committed"],
])("the explorer breaks a core that %s", (bug, checker) => {
  const { seams } = MUTANTS.find(({ name }) => name === bug)!;
  const broken = SCENARIOS.map((scenario) => explore(scenario, BOUNDS, seams).broken);
  const found = broken.find((each) => each !== undefined);
  expect(String(found?.error)).toContain(checker);
  expect(found?.path.length).toBeGreaterThan(0);
});
