import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetTrial, TIMEOUT_MS, type Tried } from "./budget-trial.ts";

/** The rules of disruption budgets for every controller and apiserver, and one that is ours. */
export function disruptionRules(given: () => Tried, isOurs = false): void {
  let trial: BudgetTrial;
  beforeAll(async () => {
    trial = new BudgetTrial(given());
    await trial.start();
  }, TIMEOUT_MS);
  afterAll(() => trial?.close(), TIMEOUT_MS);

  test("as many pods go as may be missing, and more when others are ready", () => spend(trial));
  test("a share is of what the controllers want, not of what there is", () => share(trial));
  test("pods without a controller are reported", () => unmanaged(trial));
  test("pods of a controller without a scale stop all evictions", () => scaleless(trial));
  test.runIf(isOurs)("mirror pods do not count, with any labels", () => mirrored(trial));
}

async function spend(trial: BudgetTrial): Promise<void> {
  await trial.deploy("web", 3);
  await trial.protect("web", { maxUnavailable: 1 });
  const whole = { expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, disruptionsAllowed: 1 };
  const enough = { status: "True", reason: "SufficientPods" };
  await trial.counted("web", { ...whole, conditions: [enough] });
  trial.holdsNew = true;
  const [first, second] = await trial.podsOf("web");
  expect(await trial.evict(first!)).toBe(201);
  expect(await trial.evict(second!)).toBe(429);
  const few = { status: "False", reason: "InsufficientPods" };
  const spent = { ...whole, currentHealthy: 2, disruptionsAllowed: 0, conditions: [few] };
  await trial.counted("web", spent);
  await trial.eventually("the pod to be forgotten", async () => {
    const { status } = await trial.budgets.get(trial.nameOf("web"));
    return Object.keys(status?.disruptedPods ?? {}).length === 0;
  });
  await trial.eventually("the pod in its place", async () => trial.held.size === 1);
  expect(await trial.evict(second!)).toBe(429);
  await trial.letGo("web");
  await trial.counted("web", whole);
  expect(await trial.evict(second!)).toBe(201);
  await trial.counted("web", whole);
}

async function share(trial: BudgetTrial): Promise<void> {
  await trial.deploy("share", 4);
  await trial.protect("share", { minAvailable: "50%" });
  await trial.counted("share", { expectedPods: 4, desiredHealthy: 2, disruptionsAllowed: 2 });
  await trial.scale("share", 2);
  await trial.counted("share", { expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
}

async function unmanaged(trial: BudgetTrial): Promise<void> {
  const { metadata, spec } = trial.pod("alone");
  await trial.pods.create({ metadata: { ...metadata, ...trial.nameOf("alone") }, spec });
  await trial.protect("alone", { maxUnavailable: 1 });
  await trial.reported("alone", "UnmanagedPods");
  await trial.counted("alone", { expectedPods: 0, disruptionsAllowed: 0 });
}

/** Of a controller that has no scale, and that is not there. */
function heldByNode() {
  const uid = "11111111-1111-1111-1111-111111111111";
  const owner = { apiVersion: "v1", kind: "Node", name: "n", uid, controller: true };
  // The garbage collector must not be faster than the count.
  return { ownerReferences: [owner], finalizers: ["r2k.test/hold"] };
}

async function mirrored(trial: BudgetTrial): Promise<void> {
  const { metadata, spec } = trial.pod("seen");
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const mirror = { ...metadata, ...heldByNode(), ...trial.nameOf("seen-mirror"), annotations };
  await trial.pods.create({ metadata: mirror, spec });
  await trial.deploy("seen", 3);
  await trial.protect("seen", { maxUnavailable: 1 });
  const whole = { expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, disruptionsAllowed: 1 };
  await trial.counted("seen", whole);
  await trial.pods.patch(trial.nameOf("seen-mirror"), "merge", { metadata: { finalizers: null } });
}

async function scaleless(trial: BudgetTrial): Promise<void> {
  await trial.protect("odd", { minAvailable: "100%" });
  await trial.reported("odd", "NoPods");
  const { metadata, spec } = trial.pod("odd");
  const held = { ...metadata, ...heldByNode(), ...trial.nameOf("odd") };
  await trial.pods.create({ metadata: held, spec });
  await trial.reported("odd", "CalculateExpectedPodCountFailed");
  const message = "nodes does not implement the scale subresource";
  const failed = { status: "False", reason: "SyncFailed", message };
  await trial.counted("odd", { disruptionsAllowed: 0, conditions: [failed] });
  await trial.pods.patch(trial.nameOf("odd"), "merge", { metadata: { finalizers: null } });
}
