import type { ControllersOptions } from "@raft2kube/controllers/main.ts";
import { describe, expect, test } from "vitest";
import { DRAW_SEED, inTurn } from "../../../testing/drawn.ts";
import type { ControlPlane } from "./control-plane.ts";
import { startDying, startLagging, startLate, startPair } from "./dying-controllers.ts";

const TIMEOUT_MS = 120_000;
/** More writes than any of the cases takes. */
const WRITES_MAX = 60;
/** A run kills after every fifth write of a case, from a drawn one; with R2K_DEATHS=all, each. */
export const STRIDE = process.env["R2K_DEATHS"] === "all" ? 1 : 5;
/** The cases whose controllers a run kills, and the caches that lag in it. */
const KILLED = 1;
const LAGGING = 1;
const LAG_MS = 200;
const LATE_MS = 400;
/** The writes of the first of two managers: it dies in the middle of every case. */
const FIRST_WRITES = 7;

/** A workload that its controllers bring to its end in spite of all faults. */
export interface FaultCase {
  readonly kind: string;
  readonly controllers: readonly string[];
  /** The resources that they watch for it. */
  readonly reads: readonly string[];
  /** The least number of writes that it takes. */
  readonly writes_min: number;
  /** Makes one, changes it, and waits until its status says that all is done. */
  play(name: string): Promise<unknown>;
  /** Checks what there is of it, and what there ever was. */
  check(name: string, when: string): Promise<void>;
  /** Deletes it, and waits until nothing of it is left. */
  remove(name: string): Promise<void>;
}

type Settings = () => Partial<ControllersOptions>;

/** The rules of all cases; the control plane runs none of their controllers. */
export function faultRules(
  given: () => ControlPlane,
  cases: readonly FaultCase[],
  settings: Settings = () => ({}),
): void {
  const all = cases.flatMap(({ controllers }) => controllers);
  const kinds = cases.map(({ kind }) => kind).join();
  /** Cases of other controllers do not meet. */
  const concurrent = new Set(all).size === all.length;
  const optionsOf = (some: readonly FaultCase[]) => {
    const controllers = new Set(some.flatMap((each) => each.controllers));
    return { ...settings(), controllers: [...controllers] };
  };
  const timeout = 5 * TIMEOUT_MS;

  describe(`a controller killed after any of its writes (seed ${DRAW_SEED})`, {
    timeout,
    concurrent,
  }, () => {
    test.each(inTurn(`killed ${kinds}`, cases, KILLED).map((each) => [each.kind, each] as const))(
      "does nothing twice and leaves nothing out: %s",
      (_kind, each) => killed(given(), each, optionsOf([each])),
    );
  });

  const playAll = async (some: readonly FaultCase[], by: string) => {
    await Promise.all(some.map(({ kind, play }) => play(`${kind}-${by}`)));
    for (const { kind, check } of some) await check(`${kind}-${by}`, `by ${by}`);
    await Promise.all(some.map(({ kind, remove }) => remove(`${kind}-${by}`)));
  };

  const caches = [...new Set(cases.flatMap(({ reads }) => reads))];
  test.each(inTurn(`lagging ${kinds}`, caches, LAGGING))(
    "a cache of %s that lags makes nothing twice",
    async (resource) => {
      const some = cases.filter(({ reads }) => reads.includes(resource));
      const lags_ms = { [resource]: LAG_MS };
      const controllers = await startLagging(given(), lags_ms, optionsOf(some));
      await playAll(some, resource);
      await controllers.close();
    },
  );

  test("an apiserver that answers late makes nothing twice", async () => {
    const controllers = await startLate(given(), LATE_MS, optionsOf(cases));
    await playAll(cases, "late");
    const least = cases.reduce((sum, { writes_min }) => sum + writes_min, 0);
    expect(controllers.count()).toBeGreaterThanOrEqual(least);
    await controllers.close();
  });

  test("of two managers with one lease the second waits, and goes on when the first is killed", async () => {
    const pair = await startPair(given(), FIRST_WRITES, optionsOf(cases));
    const played = playAll(cases, "lease");
    await pair.died;
    expect(await pair.leader()).toBe("first");
    await played;
    expect(await pair.leader()).toBe("second");
    await pair.close();
  });
}

async function killed(
  plane: ControlPlane,
  { kind, writes_min, play, check, remove }: FaultCase,
  options: Partial<ControllersOptions>,
): Promise<void> {
  let deaths = 0;
  for (let writes = DRAW_SEED % STRIDE; writes < WRITES_MAX; writes += STRIDE) {
    const name = `${kind}-${writes}`;
    const first = await startDying(plane, writes, options);
    const ended = play(name).then(() => "ended");
    const outcome = await Promise.race([first.died, ended]);
    await first.close();
    const second = await startDying(plane, Infinity, options);
    await ended;
    await check(name, `after ${writes} writes`);
    await remove(name);
    await second.close();
    if (outcome === "ended") break;
    deaths += 1;
  }
  expect(deaths).toBeGreaterThanOrEqual(Math.floor(writes_min / STRIDE));
  expect(deaths).toBeLessThan(Math.floor(WRITES_MAX / STRIDE));
}
