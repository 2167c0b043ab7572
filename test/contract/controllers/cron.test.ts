import { afterAll, beforeAll, describe } from "vitest";
import { cronRules } from "./cron-rules.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";

const TIMEOUT_MS = 120_000;

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("CronJobs", { timeout: TIMEOUT_MS }, () => cronRules(() => plane));
