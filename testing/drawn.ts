import { randomInteger, seededRandom, systemRandom } from "@raft2kube/std/random.ts";

/**
 * The seed of what this run judges. `npm test` sets R2K_SEED for all its processes, so that a
 * second try draws alike; a person sets it to draw what a former run did.
 */
export const DRAW_SEED = Number(process.env["R2K_SEED"] ?? randomInteger(systemRandom, 0, 1e6));

/** Returns some of `all`, at most `count`, in their order, each as likely as another. */
export function drawn<T>(all: readonly T[], count: number, seed = DRAW_SEED): T[] {
  const random = seededRandom(seed);
  const left = all.map((_, at) => at);
  const chosen = Array.from({ length: Math.min(count, all.length) }, () => {
    return left.splice(randomInteger(random, 0, left.length), 1)[0]!;
  });
  return chosen.sort((a, b) => a - b).map((at) => all[at]!);
}

/** Returns what a run judges of what takes turns: all of it with R2K_TURNS=all, else some, drawn. */
export function inTurn<T>(all: readonly T[], count: number): T[] {
  return drawn(all, process.env["R2K_TURNS"] === "all" ? all.length : count);
}
