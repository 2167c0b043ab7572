import type { Seams } from "../cluster/seams.ts";
import { ExploredCluster, type Scenario, type Step } from "./explored-cluster.ts";

export interface Bounds {
  /** How often a path may do something else than the oldest thing that waits. */
  readonly deviations_max: number;
  /** Steps of one path. */
  readonly steps_max: number;
  /** States looked at. */
  readonly states_max: number;
}

export interface Explored {
  /** Different states that were looked at, and paths that were followed to their end. */
  readonly states: number;
  readonly paths: number;
  /** Whether everything within the bounds was looked at. */
  readonly complete: boolean;
  /** The first broken property, and what led to it. */
  readonly broken: { readonly error: unknown; readonly path: readonly Step[] } | undefined;
}

/**
 * Every schedule of a scenario that departs from the plain one, in which the oldest thing happens
 * next, at most `deviations_max` times (Emmi and others, "Delay-bounded scheduling", 2011). A core
 * cannot be copied, so a path is followed again from its beginning for each branch; a cluster that
 * was reached with no more deviations before is left.
 */
export function explore(
  scenario: Scenario,
  bounds: Bounds,
  seams: Pick<Seams, "raft"> = {},
): Explored {
  const seen = new Map<string, number>();
  const open: (readonly number[])[] = [[]];
  let paths = 0;
  while (open.length > 0) {
    if (seen.size >= bounds.states_max) {
      return { states: seen.size, paths, complete: false, broken: undefined };
    }
    paths++;
    const branch = open.pop()!;
    const path: Step[] = [];
    try {
      follow(scenario, seams, bounds, branch, path, seen, open);
    } catch (error) {
      return { states: seen.size, paths, complete: false, broken: { error, path } };
    }
  }
  return { states: seen.size, paths, complete: true, broken: undefined };
}

/** Takes a branch's choices, then the plain schedule to its end; opens branches on the way. */
function follow(
  scenario: Scenario,
  seams: Pick<Seams, "raft">,
  bounds: Bounds,
  branch: readonly number[],
  path: Step[],
  seen: Map<string, number>,
  open: (readonly number[])[],
): void {
  const explored = new ExploredCluster(scenario, seams);
  const taken = [...branch];
  let deviations = branch.filter((choice) => choice > 0).length;
  for (let at = 0; at < bounds.steps_max; at++) {
    const plain = explored.next();
    const beyond = at >= branch.length;
    if (beyond) {
      const name = explored.fingerprint();
      if ((seen.get(name) ?? Infinity) <= deviations) return;
      seen.set(name, deviations);
    }
    // Choice 0 is the plain step, or the end.
    const usual: (Step | undefined)[] = plain.length > 0 ? plain : [undefined];
    const steps = beyond || branch[at]! > 0 ? [...usual, ...explored.mishaps()] : usual;
    if (beyond && deviations < bounds.deviations_max) {
      for (let choice = 1; choice < steps.length; choice++) open.push([...taken, choice]);
    }
    const choice = beyond ? 0 : branch[at]!;
    const step = steps[choice];
    if (!step) return;
    if (beyond) taken.push(0);
    path.push(step);
    explored.take(step);
  }
}
