import { afterAll, beforeAll, describe } from "vitest";
import { TIMEOUT_MS } from "./budget-trial.ts";
import { disruptionRules } from "./disruption-rules.ts";
import { startWorld, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe("disruption budgets", { timeout: TIMEOUT_MS }, () => disruptionRules(() => world, true));
