import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetFixture, TIMEOUT_MS } from "./budget-fixture.ts";
import type { PlaneAccess } from "./control-plane.ts";

/** The rules of disruption budgets for every controller and apiserver, and one that is ours. */
export function disruptionRules(given: () => PlaneAccess, isOurs = false): void {
  let fixture: BudgetFixture;
  beforeAll(async () => {
    fixture = new BudgetFixture(given());
    await fixture.start();
  }, TIMEOUT_MS);
  afterAll(() => fixture?.close(), TIMEOUT_MS);

  test("as many pods go as may be missing, and more when others are ready", () => spend(fixture));
  test("a share is of what the controllers want, not of what there is", () => share(fixture));
  test("pods without a controller are reported", () => unmanaged(fixture));
  test("pods of a controller without a scale stop all evictions", () => scaleless(fixture));
  test.runIf(isOurs)("mirror pods do not count, with any labels", () => mirrored(fixture));
}

async function spend(fixture: BudgetFixture): Promise<void> {
  await fixture.deploy("web", 3);
  await fixture.protect("web", { maxUnavailable: 1 });
  const whole = { expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, disruptionsAllowed: 1 };
  const enough = { status: "True", reason: "SufficientPods" };
  await fixture.counted("web", { ...whole, conditions: [enough] });
  fixture.holdsNew = true;
  const [first, second] = await fixture.podsOf("web");
  expect(await fixture.evict(first!)).toBe(201);
  expect(await fixture.evict(second!)).toBe(429);
  const few = { status: "False", reason: "InsufficientPods" };
  const spent = { ...whole, currentHealthy: 2, disruptionsAllowed: 0, conditions: [few] };
  await fixture.counted("web", spent);
  await fixture.eventually("the pod to be forgotten", async () => {
    const { status } = await fixture.budgets.get(fixture.nameOf("web"));
    return Object.keys(status?.disruptedPods ?? {}).length === 0;
  });
  await fixture.eventually("the pod in its place", async () => fixture.held.size === 1);
  expect(await fixture.evict(second!)).toBe(429);
  await fixture.letGo("web");
  await fixture.counted("web", whole);
  expect(await fixture.evict(second!)).toBe(201);
  await fixture.counted("web", whole);
}

async function share(fixture: BudgetFixture): Promise<void> {
  await fixture.deploy("share", 4);
  await fixture.protect("share", { minAvailable: "50%" });
  await fixture.counted("share", { expectedPods: 4, desiredHealthy: 2, disruptionsAllowed: 2 });
  await fixture.scale("share", 2);
  await fixture.counted("share", { expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
}

async function unmanaged(fixture: BudgetFixture): Promise<void> {
  const { metadata, spec } = fixture.pod("alone");
  await fixture.pods.create({ metadata: { ...metadata, ...fixture.nameOf("alone") }, spec });
  await fixture.protect("alone", { maxUnavailable: 1 });
  await fixture.reported("alone", "UnmanagedPods");
  await fixture.counted("alone", { expectedPods: 0, disruptionsAllowed: 0 });
}

/** Metadata of a pod whose controller has no scale, and is not there. */
function heldByNode() {
  const uid = "11111111-1111-1111-1111-111111111111";
  const owner = { apiVersion: "v1", kind: "Node", name: "n", uid, controller: true };
  // The garbage collector must not be faster than the count.
  return { ownerReferences: [owner], finalizers: ["r2k.test/hold"] };
}

async function mirrored(fixture: BudgetFixture): Promise<void> {
  const { metadata, spec } = fixture.pod("seen");
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const mirror = { ...metadata, ...heldByNode(), ...fixture.nameOf("seen-mirror"), annotations };
  await fixture.pods.create({ metadata: mirror, spec: { ...spec, nodeName: "n" } });
  await fixture.deploy("seen", 3);
  await fixture.protect("seen", { maxUnavailable: 1 });
  const whole = { expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, disruptionsAllowed: 1 };
  await fixture.counted("seen", whole);
  const released = { metadata: { finalizers: null } };
  await fixture.pods.patch(fixture.nameOf("seen-mirror"), "merge", released);
}

async function scaleless(fixture: BudgetFixture): Promise<void> {
  await fixture.protect("odd", { minAvailable: "100%" });
  await fixture.reported("odd", "NoPods");
  const { metadata, spec } = fixture.pod("odd");
  const held = { ...metadata, ...heldByNode(), ...fixture.nameOf("odd") };
  await fixture.pods.create({ metadata: held, spec });
  await fixture.reported("odd", "CalculateExpectedPodCountFailed");
  const message = "nodes does not implement the scale subresource";
  const failed = { status: "False", reason: "SyncFailed", message };
  await fixture.counted("odd", { disruptionsAllowed: 0, conditions: [failed] });
  await fixture.pods.patch(fixture.nameOf("odd"), "merge", { metadata: { finalizers: null } });
}
