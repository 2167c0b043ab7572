import { afterAll, beforeAll, describe } from "vitest";
import { TIMEOUT_MS } from "./budget-fixture.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { disruptionRules } from "./disruption-rules.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("disruption budgets", { timeout: TIMEOUT_MS }, () => disruptionRules(() => plane, true));
