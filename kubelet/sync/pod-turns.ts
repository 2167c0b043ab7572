import { availableParallelism } from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { POD_TURN_MS, POD_TURNS_MIN, POD_TURNS_OF_PROCESSOR } from "../limits.ts";
import { namespaceOf } from "../pods/pod-identity.ts";

/**
 * Turns of the runtime's work to start pods and to take their sandboxes down. It takes processor
 * time, so that a hundred pods of one namespace that start together would delay each of another for
 * as long as all of them take: some work goes on at a time, and namespaces go in rotation.
 */
export class PodTurns {
  readonly #clock: Clock;
  readonly #turns: FairTurns;

  constructor(clock: Clock, processors = availableParallelism()) {
    this.#clock = clock;
    this.#turns = new FairTurns(Math.max(POD_TURNS_MIN, processors * POD_TURNS_OF_PROCESSOR));
  }

  /**
   * Runs work of the pod in its namespace's turn, and settles as it does. Work that takes longer
   * than a turn goes on, and the next starts beside it: a plugin or a disk may hang. Throws the
   * signal's reason, without the work, when that is aborted before the turn comes.
   */
  async run<R>(pod: Pod, work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    const { working } = await this.#turns.run(namespaceOf(pod), async () => {
      signal?.throwIfAborted();
      const working = work();
      const settled = Promise.allSettled([working]);
      await resultWithin<unknown>(this.#clock, settled, POD_TURN_MS, () => undefined);
      return { working };
    });
    return await working;
  }
}
