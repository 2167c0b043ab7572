import { afterAll, beforeAll, describe } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { cronRules } from "./cron-rules.ts";

const TIMEOUT_MS = 120_000;

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("CronJobs", { timeout: TIMEOUT_MS }, () => cronRules(() => plane));
