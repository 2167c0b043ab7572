import { afterAll, beforeAll, describe } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { rangeRules } from "./range-rules.ts";
import { tokenRules } from "./token-rules.ts";

let plane: ControlPlane;
let kubelet: HollowKubelet;

beforeAll(async () => {
  plane = await startControlPlane();
  kubelet = await startHollowKubelet(plane, "n1");
});
afterAll(async () => {
  await kubelet?.close();
  await plane?.close();
});

describe("bootstrap tokens", () => tokenRules(() => plane));
describe("ranges of Services", () => rangeRules(() => plane));
