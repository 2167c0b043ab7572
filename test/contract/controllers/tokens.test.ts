import { afterAll, beforeAll, describe } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { rangeRules } from "./range-rules.ts";
import { tokenRules } from "./token-rules.ts";
import { startWorld, type World } from "./world.ts";

const TIMEOUT_MS = 60_000;
let world: World;
let kubelet: HollowKubelet;

beforeAll(async () => {
  world = await startWorld();
  kubelet = await startHollowKubelet(world, "n1");
}, TIMEOUT_MS);
afterAll(async () => {
  await kubelet?.close();
  await world?.close();
});

describe("bootstrap tokens", { timeout: TIMEOUT_MS }, () => tokenRules(() => world));
describe("ranges of Services", { timeout: TIMEOUT_MS }, () => rangeRules(() => world));
