import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll } from "vitest";
import { type HollowKubelet, type HollowOptions, startHollowKubelet } from "./hollow-kubelet.ts";
import { startWorld, type World } from "./world.ts";

const TIMEOUT_MS = 50_000;
const INTERVAL_MS = 20;

/** The world of a file's tests, which starts before the first of them and ends after the last. */
export interface SharedWorld extends Omit<World, "close"> {
  /** Kubelets by the name of the node. */
  readonly kubelets: Map<string, HollowKubelet>;
  /** Waits until a probe of the API gives a value; not found means not yet. */
  eventually<T>(what: string, probe: () => Promise<T>): ReturnType<typeof waitFor<T>>;
}

/** Gives the calling file a world with a hollow kubelet for each name. */
export function sharedWorld(
  names: readonly string[],
  options: Parameters<typeof startWorld>[0] = {},
  hollow: HollowOptions = {},
): SharedWorld {
  let world: World;
  const kubelets = new Map<string, HollowKubelet>();
  beforeAll(async () => {
    world = await startWorld(options);
    for (const name of names) kubelets.set(name, await startHollowKubelet(world, name, hollow));
  });
  afterAll(async () => {
    await Promise.all([...kubelets.values()].map((kubelet) => kubelet.close()));
    await world.close();
  });
  const clock = systemClock();
  return {
    kubelets,
    clock,
    get admin() {
      return world.admin;
    },
    get ca() {
      return world.ca;
    },
    connection: (commonName, organizations) => world.connection(commonName, organizations),
    restartApiserver: () => world.restartApiserver(),
    eventually: (what, probe) =>
      waitFor(what, probe, { clock, timeout_ms: TIMEOUT_MS, interval_ms: INTERVAL_MS }),
  };
}

/** Whether a read answers that the object does not exist. */
export async function isGone(get: () => Promise<unknown>): Promise<boolean> {
  try {
    await get();
    return false;
  } catch (thrown) {
    if (isNotFound(thrown)) return true;
    throw thrown;
  }
}
