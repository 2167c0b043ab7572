import { pick, seededRandom } from "@raft2kube/std/random.ts";
import { mutate } from "./mutate.ts";
import type { Fate, Target } from "./target.ts";

/** An input that a target must not have treated so; `seed` alone makes it again. */
export type Failure = { seed: number; input: Buffer; thrown: unknown };

export type FuzzResult = { taken: number; refused: number; failure: Failure | undefined };

export interface FuzzOptions {
  /** Run i has the seed `seed` + i. */
  seed: number;
  runs: number;
  /** Ends earlier, after this long. */
  time_ms?: number;
  /** Processor time after which an input has failed. */
  inputTime_ms?: number;
  /** Called now and then with the number of inputs that are done. */
  onProgress?: (done: number) => void;
}

const PROGRESS_RUNS = 10_000;
/** Processor time that no input is worth: what takes this long was made to. */
const INPUT_TIME_MS_MAX = 5_000;

/** An input that took too long; what never ends shows by the run that does not either. */
class SlowInput extends Error {
  override readonly name = "SlowInput";
}

/** Gives a target changed inputs until one fails. */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  try {
    return await run(target, options);
  } finally {
    target.close?.();
  }
}

async function run(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  const corpus = await target.corpus();
  const result: FuzzResult = { taken: 0, refused: 0, failure: undefined };
  const end_ms = performance.now() + (options.time_ms ?? Infinity);
  for (let run = 0; run < options.runs && performance.now() < end_ms; run++) {
    const seed = options.seed + run;
    const input = inputOf(target, corpus, seed);
    try {
      result[await read(target, input, options.inputTime_ms ?? INPUT_TIME_MS_MAX)]++;
    } catch (thrown) {
      result.failure = { seed, input, thrown };
      return result;
    }
    if ((run + 1) % PROGRESS_RUNS === 0) options.onProgress?.(run + 1);
  }
  return result;
}

async function read(target: Target, input: Buffer, time_ms_max: number): Promise<Fate> {
  const before = process.cpuUsage();
  const fate = await target.read(input);
  const { user, system } = process.cpuUsage(before);
  const took_ms = (user + system) / 1_000;
  if (took_ms > time_ms_max) throw new SlowInput(`${Math.round(took_ms)} ms`);
  return fate;
}

function inputOf(target: Target, corpus: Buffer[], seed: number): Buffer {
  const random = seededRandom(seed);
  const mutated = mutate(pick(random, corpus), pick(random, corpus), random);
  return target.seal && random.next() < 0.7 ? target.seal(mutated, random) : mutated;
}
