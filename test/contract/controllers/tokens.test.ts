import { afterAll, beforeAll, describe } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { rangeRules } from "./range-rules.ts";
import { tokenRules } from "./token-rules.ts";

const TIMEOUT_MS = 60_000;
let plane: ControlPlane;
let kubelet: HollowKubelet;

beforeAll(async () => {
  plane = await startControlPlane();
  kubelet = await startHollowKubelet(plane, "n1");
}, TIMEOUT_MS);
afterAll(async () => {
  await kubelet?.close();
  await plane?.close();
});

describe("bootstrap tokens", { timeout: TIMEOUT_MS }, () => tokenRules(() => plane));
describe("ranges of Services", { timeout: TIMEOUT_MS }, () => rangeRules(() => plane));
