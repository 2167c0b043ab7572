import { stillAtWork } from "./check.ts";

const TICK_MS = 10;
/** Turns of the event loop, TICK_MS apart, without progress: 2 s on a machine that is not busy. */
const QUIET_TICKS_MAX = 200;
export const QUIET_S = (QUIET_TICKS_MAX * TICK_MS) / 1_000;

/**
 * Waits until `done`, as long as there is progress: returns false once `progress()` has had the
 * same value for QUIET_TICKS_MAX turns of the loop, `patience` times. Turns and not time are
 * counted: on a busy machine they take longer, as does the work that is waited for.
 */
export async function untilQuiet(
  done: () => boolean,
  progress: () => unknown,
  patience = 1,
): Promise<boolean> {
  let last = progress();
  for (let quiet = 0; !done(); quiet++) {
    if (quiet > patience * QUIET_TICKS_MAX) return false;
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const now = progress();
    if (now === last) continue;
    [last, quiet] = [now, 0];
    stillAtWork();
  }
  return true;
}
