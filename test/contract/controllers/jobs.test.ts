import { afterAll, beforeAll, describe } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { TIMEOUT_MS } from "./job-fixture.ts";
import { jobRules } from "./job-rules.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("Jobs", { timeout: TIMEOUT_MS }, () => jobRules(() => plane));
