import { afterAll, beforeAll, describe } from "vitest";
import { cronRules } from "./cron-rules.ts";
import { startWorld, type World } from "./world.ts";

const TIMEOUT_MS = 120_000;

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe("CronJobs", { timeout: TIMEOUT_MS }, () => cronRules(() => world));
