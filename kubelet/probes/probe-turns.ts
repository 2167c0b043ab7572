import type { Clock } from "@raft2kube/std/clock.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { PROBE_PLACES, PROBE_TURN_HEAVY_MS, PROBE_TURN_MS } from "../limits.ts";

/**
 * Bounds how many probes of a node start in a second, in rotation of the namespaces: a pod may have
 * 1,500 each second. One that waits for its answer keeps no place from others.
 */
export class ProbeTurns {
  readonly #clock: Clock;
  readonly #turns = new FairTurns(PROBE_PLACES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when a probe of this namespace may start. `isHeavy`: a command, TLS or gRPC. */
  next(namespace: string, isHeavy: boolean): Promise<void> {
    return new Promise((start) => {
      void this.#turns.run(namespace, async () => {
        start();
        await delay(this.#clock, isHeavy ? PROBE_TURN_HEAVY_MS : PROBE_TURN_MS);
      });
    });
  }
}
