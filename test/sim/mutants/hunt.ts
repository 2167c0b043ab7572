import { systemClock } from "@raft2kube/std/clock.ts";
import { runScript } from "../run.ts";
import type { Kind } from "../script.ts";
import { runPool, type Task } from "../seeds/pool.ts";
import { ELSEWHERE } from "./all.ts";
import type { Mutant } from "./mutant.ts";

/** The checker that detected a mutant, and the seed. */
export interface Caught {
  seed: number;
  checker: string;
  /** The first line of what the checker said. */
  message: string;
}

/** Runs seeds against a mutant until one catches it; undefined when none does. */
export async function catchMutant(
  { seams }: Pick<Mutant, "seams">,
  kind: Kind,
  from: number,
  seeds: number,
): Promise<Caught | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation } = await runScript({ script: { seed, ...kind }, seams });
    if (!violation) continue;
    const message = violation.message.split("\n")[0] ?? "";
    return { seed, checker: violation.checker, message };
  }
  return undefined;
}

export interface HuntOptions {
  readonly mutants: readonly Mutant[];
  readonly kind: Kind;
  readonly from: number;
  readonly count: number;
  readonly jobs: number;
  readonly say: (line: string) => void;
  /** Called with the seed and the checker of each mutant that was caught, by its name. */
  readonly record?: (seeds: Readonly<Record<string, { seed: number; by: string }>>) => void;
}

/**
 * Every mutant must be detected within `count` seeds, by one of its checkers; returns how many were
 * not.
 */
export async function hunt(options: HuntOptions): Promise<number> {
  const { mutants, kind, from, count, jobs, say, record } = options;
  const caught = new Map<string, Caught>();
  const tasks = huntingTasks(mutants, kind, from, count, (name) => caught.has(name));
  await runPool({
    jobs,
    clock: systemClock(),
    next: () => tasks.next().value,
    onVerdict: ({ script, checker, message }, { mutant = "" }) => {
      if (checker === undefined || message === undefined) return;
      const known = caught.get(mutant);
      if (known && known.seed < script.seed) return;
      caught.set(mutant, { seed: script.seed, checker, message: message.split("\n")[0]! });
    },
  });
  const byName = [...caught].map(([name, { seed, checker: by }]) => [name, { seed, by }] as const);
  record?.(Object.fromEntries(byName));
  let strange = 0;
  for (const { name, breaks, seen = "", noticedBy } of mutants) {
    const found = caught.get(name);
    const how = found ? `seed ${found.seed} | ${found.checker}` : "escaped | ";
    say(`| ${name} | ${breaks} | ${seen} | ${how} |`);
    if (!found || noticedBy.includes(found.checker)) continue;
    strange++;
    say(`  not by ${noticedBy.join(", nor by ")}: ${found.message}`);
  }
  for (const { seen, breaks, why } of ELSEWHERE) {
    say(`| ${why} | ${breaks} | ${seen} | not here | |`);
  }
  return mutants.length - caught.size + strange;
}

/** Each mutant's seeds, until it is caught. */
function* huntingTasks(
  mutants: readonly Mutant[],
  kind: Kind,
  from: number,
  count: number,
  isCaught: (name: string) => boolean,
): Generator<Task, undefined> {
  for (const { name, kind: own = kind } of mutants) {
    for (let seed = from; seed < from + count && !isCaught(name); seed++) {
      yield { script: { seed, ...own }, mutant: name };
    }
  }
  return undefined;
}
