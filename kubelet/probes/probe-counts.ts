import { DEFAULT_BOUNDS_S, Histogram } from "@raft2kube/observe/families.ts";
import type { ProbeOutcome } from "./run-probe.ts";

/** Answers of one probe of a container, in all of the container's runs. */
export interface ProbeCount {
  readonly kind: string;
  readonly container: string;
  successful: number;
  failed: number;
  /** Durations of the probes that passed, in seconds. */
  readonly durations: Histogram;
}

/** Counts the probes of one pod, by container and kind, as long as its worker lives. */
export class ProbeCounts {
  readonly #counts = new Map<string, ProbeCount>();

  [Symbol.iterator](): Iterator<ProbeCount> {
    return this.#counts.values();
  }

  /** Counts an answer; a probe that could not be asked is none (as upstream). */
  add(kind: string, container: string, { result }: ProbeOutcome, took_ms: number): void {
    if (result === "error") return;
    const key = `${container}/${kind}`;
    const count = this.#counts.get(key) ?? newCount(kind, container);
    this.#counts.set(key, count);
    if (result === "failure") count.failed++;
    else {
      count.successful++;
      count.durations.observe(took_ms / 1_000);
    }
  }
}

const newCount = (kind: string, container: string): ProbeCount => ({
  ...{ kind, container, successful: 0, failed: 0 },
  durations: new Histogram(DEFAULT_BOUNDS_S),
});
