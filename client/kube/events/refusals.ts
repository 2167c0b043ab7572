import { type KubeObject, keyOf } from "../object/object.ts";
import type { EventRecorder } from "./recorder.ts";

/** A wish of an object that is not met. */
export interface Refusal {
  readonly about: KubeObject & { kind: string; apiVersion: string };
  readonly reason: string;
  readonly message: string;
}

/** Records the refusals of a loop that finds them again in each pass: once while they last. */
export class RefusalEvents {
  readonly #recorder: EventRecorder;
  #known = new Set<string>();

  constructor(recorder: EventRecorder) {
    this.#recorder = recorder;
  }

  /** Records those of a pass that the last one did not have. */
  report(refusals: readonly Refusal[]): void {
    const known = new Set<string>();
    for (const { about, reason, message } of refusals) {
      const key = `${about.kind} ${keyOf(about)} ${reason} ${message}`;
      if (!this.#known.has(key) && !known.has(key)) {
        this.#recorder.record(about, "Warning", reason, message);
      }
      known.add(key);
    }
    this.#known = known;
  }
}
