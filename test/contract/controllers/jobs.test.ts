import { afterAll, beforeAll, describe } from "vitest";
import { jobRules } from "./job-rules.ts";
import { TIMEOUT_MS } from "./job-trial.ts";
import { startWorld, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe("Jobs", { timeout: TIMEOUT_MS }, () => jobRules(() => world));
