import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Admission } from "../admission/chain.ts";

/** What a write of an object takes besides the object: admission, times and generated names. */
export interface Writer {
  readonly clock: Clock;
  readonly random: Random;
  readonly admission: Admission;
}
