import type { Recorder } from "./recorder.ts";

/** Something that can be recorded with a part of a lab, in several variants. */
export interface Recordable {
  readonly title: string;
  /** The behaviour to look for. */
  readonly about: string;
  readonly unit: "ms" | "step";
  /** The variants' numbers that the page shows, and what such a number is: `seed`. */
  readonly variants: readonly number[];
  readonly variantName: string;
  /** Plays it, reporting to the recorder; throws a judgement when something does not hold. */
  play(recorder: Recorder, clock: StepClock, variant: number): void | Promise<void>;
}

/** Counts steps, for events that have an order but no time. */
export class StepClock {
  now = 0;

  /** Starts the next step. */
  next(): void {
    this.now++;
  }
}

const registered: Recordable[] = [];

/** Registers something to record; a lab's `replay.ts` consists of these. */
export function recordable(one: Recordable): void {
  registered.push(one);
}

export const registeredRecordables = (): readonly Recordable[] => registered;
