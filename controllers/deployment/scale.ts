import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { DESIRED_REPLICAS, numberAnnotation, REPLICAS_MAX } from "./revision.ts";
import {
  availableOf,
  isRolling,
  rollingBounds,
  type Sizes,
  wanted,
  wantedByAll,
} from "./rolling.ts";
import { byCreation } from "./template.ts";

/** Whether the deployment's size was changed since its ReplicaSets were sized. */
export function isScaling(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((set) => {
    const desired = numberAnnotation(set, DESIRED_REPLICAS);
    return wanted(set) > 0 && desired !== undefined && desired !== wanted(deployment);
  });
}

/**
 * Sizes for a new number of replicas, templates left alone. One live set takes them all; in the
 * middle of a rollout each live set changes in proportion, so that the risk stays spread.
 */
export function planScale(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Sizes {
  const all = newSet ? [...old, newSet] : [...old];
  const live = all.filter((set) => wanted(set) > 0);
  const single = live.length === 0 ? (newSet ?? [...old].sort(byCreation).at(-1)) : live[0];
  if (single && live.length <= 1) return sizesOf([[single, wanted(deployment)]]);
  if (newSet && isSaturated(deployment, newSet)) {
    return sizesOf(old.filter((set) => wanted(set) > 0).map((set) => [set, 0]));
  }
  return isRolling(deployment) ? proportional(deployment, live) : new Map();
}

function isSaturated(deployment: Deployment, newSet: ReplicaSet): boolean {
  const target = wanted(deployment);
  const desired = numberAnnotation(newSet, DESIRED_REPLICAS);
  return desired === target && wanted(newSet) === target && availableOf(newSet) === target;
}

function proportional(deployment: Deployment, live: readonly ReplicaSet[]): Sizes {
  const target = wanted(deployment);
  const allowed = target > 0 ? target + rollingBounds(deployment).maxSurge : 0;
  const toAdd = allowed - wantedByAll(live);
  // Largest first; of equals the newest grows and the oldest shrinks.
  const newestFirst = toAdd > 0 ? -1 : 1;
  const ordered = [...live].sort((a, b) => wanted(b) - wanted(a) || newestFirst * byCreation(a, b));
  const sizes: [ReplicaSet, number][] = [];
  let added = 0;
  for (const set of ordered) {
    const share = shareOf(deployment, set, toAdd, added);
    sizes.push([set, wanted(set) + share]);
    added += share;
  }
  const first = sizes[0];
  if (first && toAdd !== 0) first[1] = Math.max(0, first[1] + toAdd - added);
  return sizesOf(sizes);
}

function shareOf(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number): number {
  const left = toAdd - added;
  if (wanted(set) === 0 || left === 0) return 0;
  const share = fractionOf(deployment, set);
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

/** Returns the change of a set that keeps its proportion. */
function fractionOf(deployment: Deployment, set: ReplicaSet): number {
  if (wanted(deployment) === 0) return -wanted(set);
  const most = wanted(deployment) + rollingBounds(deployment).maxSurge;
  const before = numberAnnotation(set, REPLICAS_MAX) || deployment.status?.replicas || most;
  return Math.round((wanted(set) * most) / before) - wanted(set);
}

function sizesOf(sizes: [ReplicaSet, number][]): Sizes {
  return new Map(sizes.map(([set, size]) => [set.metadata.name ?? "", size]));
}
