import type { Mutant } from "./mutants.ts";
import { runSeed } from "./run.ts";

/** Who noticed a mutant, and with which seed. */
export interface Caught {
  mutant: Mutant;
  seed: number;
  checker: string;
  /** The first line of what the checker said. */
  message: string;
}

/** Runs seeds against a mutant until one catches it; undefined when none does. */
export async function catchMutant(
  mutant: Mutant,
  from: number,
  seeds: number,
): Promise<Caught | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation } = await runSeed({ seed, seams: mutant.seams });
    if (!violation) continue;
    const message = violation.message.split("\n")[0] ?? "";
    return { mutant, seed, checker: violation.checker, message };
  }
  return undefined;
}
