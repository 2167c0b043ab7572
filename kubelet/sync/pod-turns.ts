import { availableParallelism } from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TimedTurns } from "@raft2kube/std/turns.ts";
import { POD_TURN_MS, POD_TURNS_MIN, POD_TURNS_OF_PROCESSOR } from "../limits.ts";
import { namespaceOf } from "../pods/pod-identity.ts";

/**
 * Turns of the runtime's work to start pods and to take their sandboxes down. It takes processor
 * time, so that a hundred pods of one namespace that start together would delay each of another for
 * as long as all of them take: some work goes on at a time, and namespaces go in rotation. A plugin
 * or a disk may hang.
 */
export class PodTurns {
  readonly #turns: TimedTurns;

  constructor(clock: Clock, processors = availableParallelism()) {
    const places = Math.max(POD_TURNS_MIN, processors * POD_TURNS_OF_PROCESSOR);
    this.#turns = new TimedTurns(clock, { places, turn_ms: POD_TURN_MS });
  }

  /** Runs work of the pod in its namespace's turn, as `TimedTurns.run`. */
  run<R>(pod: Pod, work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    return this.#turns.run(namespaceOf(pod), work, signal);
  }
}
