import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Admission } from "../admission/chain.ts";

/** The parts that a write needs besides the object: admission, times and generated names. */
export interface Writer {
  readonly clock: Clock;
  readonly random: Random;
  readonly admission: Admission;
  /** Steps of expressions that a write may take on the event loop; undefined where none waits. */
  readonly steps_max?: number | undefined;
}
