import type { Clock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AttachTrial, TIMEOUT_MS } from "./attach-trial.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { startMortal } from "./mortal-controllers.ts";
import { startWorld, type World } from "./world.ts";

const CONTROLLER = "persistentvolume-attach-detach-controller";
/** More writes than one move of a volume takes. */
const WRITES_MAX = 20;
const UNMOUNT_WAIT_MS = 6 * 60_000;

let world: World;
let trial: AttachTrial;
let kubelets: HollowKubelet[] = [];
let ahead_ms = 0;

beforeAll(async () => {
  world = await startWorld({
    controllers: ["*", `-${CONTROLLER}`], nodeMonitorGracePeriod_ms: 2_000,
  });
  kubelets = await Promise.all(["n1", "n2", "mute"].map((name) =>
    startHollowKubelet(world, name, { renew_ms: 500 })));
  trial = new AttachTrial(world);
  await trial.start();
  for (const { name } of kubelets) await trial.manage(name);
}, TIMEOUT_MS);

afterAll(async () => {
  await Promise.all(kubelets.map((each) => each.close()));
  await trial?.close();
  await world.close();
}, TIMEOUT_MS);

function startController(writes: number) {
  const { clock: real } = world;
  const clock: Clock = {
    now: () => real.now(),
    monotonic: () => real.monotonic() + ahead_ms,
    after: (delay_ms, act) => real.after(delay_ms, act),
  };
  return startMortal(world, writes, { clock, controllers: [CONTROLLER] });
}

/** Moves a volume for one node from n1 to n2, whose pod waits for it from the start. */
async function move(name: string): Promise<"moved"> {
  await trial.volume(name, "ReadWriteOnce");
  await trial.pod(`${name}-a`, name, "n1");
  await trial.untilAttached(name, "n1");
  await trial.pod(`${name}-b`, name, "n2");
  await trial.deletePod(`${name}-a`);
  await trial.untilAttached(name, "n2");
  return "moved";
}

describe("a controller killed after any of its writes", { timeout: 5 * TIMEOUT_MS }, () => {
  test("moves a volume, which is never attached to two nodes", async () => {
    let deaths = 0;
    for (let writes = 0; writes < WRITES_MAX; writes++) {
      const name = `v${writes}`;
      const first = await startController(writes);
      const moved = move(name);
      const killed = await Promise.race([first.died, moved]);
      await first.close();
      const second = await startController(Infinity);
      await moved;
      expect(await trial.attachment(name, "n1"), `after ${writes} writes`).toBeUndefined();
      expect(await trial.isListed(name, "n1"), `after ${writes} writes`).toBe(false);
      await trial.deletePod(`${name}-b`);
      await trial.untilDetached(name, "n2");
      await second.close();
      if (killed === "moved") break;
      deaths += 1;
    }
    // Attach, report, withdraw, detach, attach, report.
    expect(deaths).toBeGreaterThanOrEqual(6);
    expect(deaths).toBeLessThan(WRITES_MAX);
    expect([...trial.torn]).toEqual([]);
  });

  test("a mounted volume of a silent node is detached after six minutes", async () => {
    const controller = await startController(Infinity);
    await trial.volume("held", "ReadWriteOnce");
    await trial.pod("holder", "held", "mute");
    await trial.untilAttached("held", "mute");
    await trial.use("mute", "held");
    await kubelets.pop()?.close();
    await trial.deletePod("holder");
    await trial.untilNotReady("mute");
    // Another volume is detached after the pod was deleted: the controller has seen both.
    await trial.volume("idle", "ReadWriteOnce");
    await trial.pod("idle", "idle", "n1");
    await trial.untilAttached("idle", "n1");
    await trial.deletePod("idle");
    await trial.untilDetached("idle", "n1");
    expect(await trial.isAttached("held", "mute")).toBe(true);
    ahead_ms = UNMOUNT_WAIT_MS;
    await trial.touch("mute");
    await trial.untilDetached("held", "mute");
    await controller.close();
  });
});
