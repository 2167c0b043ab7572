import { randomInteger, seededRandom, systemRandom } from "@raft2kube/std/random.ts";

/**
 * The seed of what this run judges. `npm test` sets R2K_SEED for all its processes, so that a
 * second try draws alike; a person sets it to draw what a former run did.
 */
export const DRAW_SEED = Number(process.env["R2K_SEED"] ?? randomInteger(systemRandom, 0, 1e6));

/**
 * Returns some of `all`, at most `count`, in their order, each as likely as another. `what` names
 * the draw: those of other names are independent of it, also from lists of the same length.
 */
export function drawn<T>(what: string, all: readonly T[], count: number): T[] {
  const spread = (seed: number, byte: number) => Math.imul(seed, 31) + byte;
  const random = seededRandom(Buffer.from(what).reduce(spread, DRAW_SEED));
  const left = all.map((_, at) => at);
  const chosen = Array.from({ length: Math.min(count, all.length) }, () => {
    return left.splice(randomInteger(random, 0, left.length), 1)[0]!;
  });
  return chosen.sort((a, b) => a - b).map((at) => all[at]!);
}

/**
 * Returns what a run judges of what takes turns: all of it with R2K_TURNS=all, else some, drawn
 * from those that can run on this machine, if any can.
 */
export function inTurn<T>(
  what: string,
  all: readonly T[],
  count: number,
  isHere: (one: T) => boolean = () => true,
): T[] {
  if (process.env["R2K_TURNS"] === "all") return [...all];
  const here = all.filter(isHere);
  return drawn(what, here.length > 0 ? here : all, count);
}
