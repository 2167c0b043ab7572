import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { planDeployment } from "@raft2kube/controllers/deployment/plan.ts";
import { wanted } from "@raft2kube/controllers/deployment/rolling.ts";
import { NOW_MS } from "@raft2kube/controllers/testing/objects.ts";
import { judge } from "../judge.ts";
import { type Bounds, deploymentOf } from "./objects.ts";

/** More looks than any rollout of these checks takes. */
const LOOKS_MAX = 300;

/** A rollout from `old` to `new`: its bounds, and the pods of the new version that never start. */
export interface RolloutSpec extends Bounds {
  readonly replicas: number;
  readonly broken?: boolean;
}

/** Sizes and available pods of both versions after a look. */
export interface Look {
  readonly old: { readonly size: number; readonly available: number };
  readonly new: { readonly size: number; readonly available: number };
}

/**
 * Plays a rolling update against ReplicaSets that obey: planned sizes hold from then on, one pod of
 * each set becomes available between two looks. Reports each look until nothing changes.
 */
export function playRollout(spec: RolloutSpec, seen: (look: Look) => void): void {
  let deployment = deploymentOf(spec.replicas, spec, "old");
  let sets: ReplicaSet[] = [];
  let now_ms = NOW_MS;
  const step = () => {
    now_ms += 1_000;
    const plan = planDeployment(deployment, sets, [], now_ms);
    const changed = plan.create !== undefined || plan.update.length > 0;
    deployment = { ...deployment, status: plan.status };
    const kept = sets.map((set) => {
      const update = plan.update.find(
        ({ replicaSet }) => replicaSet.metadata.name === set.metadata.name,
      );
      return update?.replicaSet ?? set;
    });
    sets = plan.create ? [...kept, made(plan.create, now_ms)] : kept;
    return changed;
  };
  const version = ({ spec: { template } }: ReplicaSet) => template?.metadata?.labels?.["version"];
  const settle = (all: boolean) => {
    const moved = sets.map((set) => {
      const before = Math.min(set.status?.availableReplicas ?? 0, wanted(set));
      const isBroken = spec.broken === true && version(set) === "new";
      const more = isBroken ? 0 : wanted(set) - before;
      const available = before + (all ? more : Math.min(1, more));
      const has = set.status?.availableReplicas === available;
      set.status = { replicas: wanted(set), availableReplicas: available };
      return !has;
    });
    return moved.includes(true);
  };
  while (step()) settle(true);
  deployment = { ...deployment, spec: deploymentOf(spec.replicas, spec).spec };
  for (let look = 0; look < LOOKS_MAX; look++) {
    const changed = step();
    seen(lookAt(sets, version));
    const moved = settle(false);
    seen(lookAt(sets, version));
    if (!changed && !moved) return;
  }
  judge(false, {
    when: `the rollout of ${JSON.stringify(spec)}`,
    happened: `after ${LOOKS_MAX} looks its sizes still change`,
    expected: "each step follows from the one before, and the last one changes nothing",
    why: "sizes that go up and down start and stop pods without end",
  });
}

function made(set: ReplicaSet, now_ms: number): ReplicaSet {
  const { name } = set.metadata;
  const metadata = { ...set.metadata, uid: name!, creationTimestamp: timeText(now_ms) };
  return { ...set, metadata };
}

function lookAt(
  sets: readonly ReplicaSet[],
  version: (set: ReplicaSet) => string | undefined,
): Look {
  const of = (name: string) => {
    const set = sets.find((one) => version(one) === name);
    return {
      size: set ? wanted(set) : 0,
      available: Math.min(set?.status?.availableReplicas ?? 0, set ? wanted(set) : 0),
    };
  };
  return { old: of("old"), new: of("new") };
}

/** The pods that a deployment has at most, and has available at least, while it rolls. */
export function boundsOf({ replicas, surge = "25%", unavailable = "25%" }: RolloutSpec) {
  const share = (value: string | number, round: (part: number) => number) =>
    typeof value === "number" ? value : round((Number.parseInt(value, 10) * replicas) / 100);
  const above = share(surge, Math.ceil);
  const below = share(unavailable, Math.floor);
  return {
    most: replicas + above,
    least: Math.max(0, replicas - (above === 0 && below === 0 ? 1 : below)),
  };
}
