import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, type HollowOptions, startHollowKubelet } from "./hollow-kubelet.ts";

const TIMEOUT_MS = 50_000;
const INTERVAL_MS = 100;

/** The control plane of a file's tests: starts before the first of them, ends after the last. */
export interface FileControlPlane extends Omit<ControlPlane, "close"> {
  /** Kubelets by the name of the node. */
  readonly kubelets: Map<string, HollowKubelet>;
  /** Waits until a probe of the API gives a value; not found means not yet. */
  eventually<T>(what: string, probe: () => Promise<T>): ReturnType<typeof waitFor<T>>;
}

/** Gives the calling file a control plane with a hollow kubelet for each name. */
export function fileControlPlane(
  names: readonly string[],
  options: Parameters<typeof startControlPlane>[0] = {},
  hollow: HollowOptions = {},
): FileControlPlane {
  let plane: ControlPlane;
  const kubelets = new Map<string, HollowKubelet>();
  beforeAll(async () => {
    plane = await startControlPlane(options);
    for (const name of names) kubelets.set(name, await startHollowKubelet(plane, name, hollow));
  });
  afterAll(async () => {
    await Promise.all([...kubelets.values()].map((kubelet) => kubelet.close()));
    await plane.close();
  });
  const clock = systemClock();
  return {
    kubelets,
    clock,
    get admin() {
      return plane.admin;
    },
    get ca() {
      return plane.ca;
    },
    connection: (commonName, organizations) => plane.connection(commonName, organizations),
    restartApiserver: () => plane.restartApiserver(),
    eventually: (what, probe) =>
      waitFor(what, probe, { timeout_ms: TIMEOUT_MS, interval_ms: INTERVAL_MS }),
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
