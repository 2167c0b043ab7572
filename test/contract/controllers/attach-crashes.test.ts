import type { Clock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DRAW_SEED } from "../../../testing/drawn.ts";
import { AttachFixture, TIMEOUT_MS } from "./attach-fixture.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { startDying } from "./dying-controllers.ts";
import { STRIDE } from "./fault-rules.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

// Takes turns, controllers that die: see job-crashes.test.ts.

const CONTROLLER = "persistentvolume-attach-detach-controller";
/** More writes than one move of a volume takes. */
const WRITES_MAX = 20;
const UNMOUNT_WAIT_MS = 6 * 60_000;

let plane: ControlPlane;
let fixture: AttachFixture;
let kubelets: HollowKubelet[] = [];
let ahead_ms = 0;

beforeAll(async () => {
  plane = await startControlPlane({
    controllers: ["*", `-${CONTROLLER}`],
    nodeMonitorGracePeriod_ms: 2_000,
  });
  kubelets = await Promise.all(
    ["n1", "n2", "mute"].map((name) => startHollowKubelet(plane, name, { renew_ms: 500 })),
  );
  fixture = new AttachFixture(plane);
  await fixture.start();
  for (const { name } of kubelets) await fixture.manage(name);
}, TIMEOUT_MS);

afterAll(async () => {
  await Promise.all(kubelets.map((each) => each.close()));
  await fixture?.close();
  await plane.close();
}, TIMEOUT_MS);

function startController(writes: number) {
  const { clock: real } = plane;
  const clock: Clock = {
    now: () => real.now(),
    monotonic: () => real.monotonic() + ahead_ms,
    after: (delay_ms, act) => real.after(delay_ms, act),
  };
  return startDying(plane, writes, { clock, controllers: [CONTROLLER] });
}

/** Moves a volume for one node from n1 to n2, whose pod waits for it from the start. */
async function move(name: string): Promise<"moved"> {
  await fixture.volume(name, "ReadWriteOnce");
  await fixture.pod(`${name}-a`, name, "n1");
  await fixture.untilAttached(name, "n1");
  await fixture.pod(`${name}-b`, name, "n2");
  await fixture.deletePod(`${name}-a`);
  await fixture.untilAttached(name, "n2");
  return "moved";
}

describe(`a controller killed after any of its writes (seed ${DRAW_SEED})`, {
  timeout: 5 * TIMEOUT_MS,
}, () => {
  test("moves a volume, which is never attached to two nodes", async () => {
    let deaths = 0;
    for (let writes = DRAW_SEED % STRIDE; writes < WRITES_MAX; writes += STRIDE) {
      const name = `v${writes}`;
      const first = await startController(writes);
      const moved = move(name);
      const killed = await Promise.race([first.died, moved]);
      await first.close();
      const second = await startController(Infinity);
      await moved;
      expect(await fixture.attachment(name, "n1"), `after ${writes} writes`).toBeUndefined();
      expect(await fixture.isListed(name, "n1"), `after ${writes} writes`).toBe(false);
      await fixture.deletePod(`${name}-b`);
      await fixture.untilDetached(name, "n2");
      await second.close();
      if (killed === "moved") break;
      deaths += 1;
    }
    // Attach, report, withdraw, detach, attach, report.
    expect(deaths).toBeGreaterThanOrEqual(Math.floor(6 / STRIDE));
    expect(deaths).toBeLessThan(Math.floor(WRITES_MAX / STRIDE));
    expect([...fixture.torn]).toEqual([]);
  });

  test("a mounted volume of a silent node is detached after six minutes", async () => {
    const controller = await startController(Infinity);
    await fixture.volume("held", "ReadWriteOnce");
    await fixture.pod("holder", "held", "mute");
    await fixture.untilAttached("held", "mute");
    await fixture.use("mute", "held");
    await kubelets.pop()?.close();
    await fixture.deletePod("holder");
    await fixture.untilNotReady("mute");
    // Another volume is detached after the pod was deleted: the controller has seen both.
    await fixture.volume("idle", "ReadWriteOnce");
    await fixture.pod("idle", "idle", "n1");
    await fixture.untilAttached("idle", "n1");
    await fixture.deletePod("idle");
    await fixture.untilDetached("idle", "n1");
    expect(await fixture.isAttached("held", "mute")).toBe(true);
    ahead_ms = UNMOUNT_WAIT_MS;
    await fixture.touch("mute");
    await fixture.untilDetached("held", "mute");
    await controller.close();
  });
});
