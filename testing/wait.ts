import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor as waitByClock } from "@raft2kube/std/wait.ts";

type Patience = Partial<Parameters<typeof waitByClock>[2]>;

/** A machine that four parts of the suite share is slow; what hangs is found all the same. */
const PATIENCE_MS = 60_000;

/** Waits for a condition as `waitFor` of base/std does, by this machine's clock. */
export const waitFor = <T>(what: string, probe: () => T | Promise<T>, patience: Patience = {}) =>
  waitByClock(what, probe, { clock: systemClock(), timeout_ms: PATIENCE_MS, ...patience });
