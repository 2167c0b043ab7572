import { afterAll, beforeAll, describe } from "vitest";
import { jobRules } from "./job-rules.ts";
import { TIMEOUT_MS } from "./job-fixture.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("Jobs", { timeout: TIMEOUT_MS }, () => jobRules(() => plane));
