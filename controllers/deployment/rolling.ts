import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { shareOf } from "../share.ts";
import { byCreation } from "./template.ts";

/** New sizes of ReplicaSets, by their names. Those not named keep theirs. */
export type Sizes = Map<string, number>;

/** How far a rolling update may go above and below the wanted number of pods. */
export type RollingBounds = { maxSurge: number; maxUnavailable: number };

/** Replicas that a ReplicaSet or deployment asks for; the API's default is 1. */
export const wanted = (object: ReplicaSet | Deployment): number => object.spec.replicas ?? 1;

/** The sum of the replicas that ReplicaSets want. */
export function wantedByAll(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + wanted(set), 0);
}

export const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;

export function isRolling(deployment: Deployment): boolean {
  return deployment.spec.strategy?.type !== "Recreate";
}

/**
 * Percentages of the wanted replicas: surge rounds up, unavailable rounds down; one that is not
 * given is 25%, the API's default. If both come out as 0 one pod may be unavailable, or nothing
 * could move (upstream's ResolveFenceposts). Never more may be unavailable than are wanted, which
 * of none is 0. With the strategy Recreate both are 0.
 */
export function rollingBounds(deployment: Deployment): RollingBounds {
  // lab:08 begin rolling-bounds
  const replicas = wanted(deployment);
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge = "25%", maxUnavailable = "25%" } =
    deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = shareOf(maxSurge, replicas, Math.ceil);
  const unavailable = shareOf(maxUnavailable, replicas, Math.floor);
  if (replicas === 0) return { maxSurge: surge, maxUnavailable: 0 };
  const atLeastOne = surge === 0 && unavailable === 0 ? 1 : unavailable;
  return { maxSurge: surge, maxUnavailable: Math.min(atLeastOne, replicas) };
  // lab:08 end
}

/**
 * The size that the new ReplicaSet, now of `current`, may have beside all of them, within the surge
 * and not above what is wanted; with the strategy Recreate what is wanted.
 */
export function newReplicaSetSize(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: number,
): number {
  // lab:08 begin new-replica-set-size
  if (!isRolling(deployment)) return wanted(deployment);
  const most = wanted(deployment) + rollingBounds(deployment).maxSurge;
  const others = wantedByAll(all);
  if (others >= most) return current;
  return current + Math.min(most - others, wanted(deployment) - current);
  // lab:08 end
}

/** One step of the new set towards the wanted size; empty when it has it or may not grow yet. */
export function growNew(
  deployment: Deployment,
  newSet: ReplicaSet,
  old: readonly ReplicaSet[],
): Sizes {
  const current = wanted(newSet);
  const target = wanted(deployment);
  const size = current > target ? target : newReplicaSetSize(deployment, [...old, newSet], current);
  return size === current ? new Map() : new Map([[newSet.metadata.name ?? "", size]]);
}

/**
 * Scales the old sets down by one step: unhealthy pods first (they serve no requests), then healthy
 * ones as far as enough pods stay available.
 */
export function shrinkOld(
  deployment: Deployment,
  newSet: ReplicaSet,
  old: readonly ReplicaSet[],
): Sizes {
  // lab:08 begin shrink-old
  const sizes: Sizes = new Map();
  const least = wanted(deployment) - rollingBounds(deployment).maxUnavailable;
  const all = [...old, newSet];
  const newUnavailable = wanted(newSet) - availableOf(newSet);
  const most = wantedByAll(all) - least - newUnavailable;
  if (most <= 0 || wantedByAll(old) === 0) return sizes;
  const oldest = [...old].sort(byCreation);
  shrinkUnhealthy(oldest, sizes, most);
  const available = all.reduce((sum, set) => sum + availableOf(set), 0);
  shrinkHealthy(oldest, sizes, available - least);
  return sizes;
  // lab:08 end
}

/**
 * Takes pods that are not available from the old ReplicaSets, the oldest first, at most `budget` of
 * them all together. `sizes` gets the new sizes.
 */
function shrinkUnhealthy(oldest: readonly ReplicaSet[], sizes: Sizes, budget: number): void {
  // lab:08 begin shrink-unhealthy
  let left = budget;
  for (const set of oldest) {
    const unhealthy = wanted(set) - availableOf(set);
    const cut = Math.min(left, Math.max(0, unhealthy), wanted(set));
    if (cut <= 0) continue;
    sizes.set(set.metadata.name ?? "", wanted(set) - cut);
    left -= cut;
  }
  // lab:08 end
}

function shrinkHealthy(oldest: readonly ReplicaSet[], sizes: Sizes, budget: number): void {
  let left = budget;
  for (const set of oldest) {
    if (left <= 0) return;
    const name = set.metadata.name ?? "";
    const current = sizes.get(name) ?? wanted(set);
    const cut = Math.min(current, left);
    if (cut <= 0) continue;
    sizes.set(name, current - cut);
    left -= cut;
  }
}
