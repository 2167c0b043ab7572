import type { Deployment, DeploymentStatus, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { planHistory } from "./history.ts";
import { makeReplicaSet, syncReplicaSet } from "./replica-set.ts";
import { nextRevision, revisionOf } from "./revision.ts";
import { growNew, isRolling, type Sizes, shrinkOld, wanted } from "./rolling.ts";
import { isScaling, planScale } from "./scale.ts";
import {
  conditionOf,
  countStatus,
  hasDeadline,
  isComplete,
  nextLook,
  rolloutStatus,
  setCondition,
} from "./status.ts";
import { byCreation, newReplicaSetOf, sameTemplate } from "./template.ts";

/** A ReplicaSet as it should be, and its size before. */
export type ReplicaSetUpdate = { replicaSet: ReplicaSet; from: number };

/** All that one look at a deployment decides. */
export interface DeploymentPlan {
  create: ReplicaSet | undefined;
  update: ReplicaSetUpdate[];
  delete: ReplicaSet[];
  /**
   * The revision to write on the deployment; undefined while it has no ReplicaSet of its template.
   */
  revision: bigint | undefined;
  status: DeploymentStatus;
  again_ms: number | undefined;
}

/** The step of one strategy: sizes to give, or a ReplicaSet to create, and the sets to clean up. */
type Step = { sizes: Sizes; create?: boolean; cleanup?: boolean };

/**
 * Decides the next step of a deployment from its ReplicaSets and their pods. One step changes
 * either the new set or the old ones; the next look follows from their changes.
 */
export function planDeployment(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  pods: readonly Pod[],
  now_ms: number,
): DeploymentPlan {
  const newSet = newReplicaSetOf(deployment, replicaSets);
  const old = replicaSets.filter((set) => set !== newSet).sort(byCreation);
  const prepared = withPauseAndFound(deployment, newSet, now_ms);
  const fixed = deployment.spec.paused || isScaling(deployment, replicaSets);
  const step = fixed
    ? planFixed(deployment, newSet, old)
    : planRollout(deployment, newSet, old, pods);
  const revision = nextRevision(old);
  const status = fixed
    ? countStatus(prepared, replicaSets, newSet, now_ms)
    : rolloutStatus(prepared, replicaSets, newSet, now_ms);
  const create = step.create ? makeReplicaSet(deployment, old, revision) : undefined;
  if (create && hasDeadline(deployment)) {
    const message = `Created new replica set "${create.metadata.name ?? ""}"`;
    const progressing = { type: "Progressing", status: "True", reason: "NewReplicaSetCreated" };
    setCondition(status, { ...progressing, message }, now_ms);
  }
  const update = replicaSets.flatMap((set) => {
    const size = step.sizes.get(set.metadata.name ?? "");
    const replicaSet = syncReplicaSet(deployment, set, size, set === newSet ? revision : undefined);
    return replicaSet ? [{ replicaSet, from: wanted(set) }] : [];
  });
  return {
    create,
    update,
    delete: step.cleanup ? planHistory(deployment, old) : [],
    revision: newSet ? keptRevision(newSet, revision) : create && revision,
    status,
    again_ms: fixed ? undefined : nextLook(prepared, status, now_ms),
  };
}

/** A set whose older ones are gone keeps a revision above the one that it would get. */
function keptRevision(newSet: ReplicaSet, next: bigint): bigint {
  const own = revisionOf(newSet);
  return own > next ? own : next;
}

/** A deployment that is being deleted, or selects everything, is only counted. */
export function planStatusOnly(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  now_ms: number,
): DeploymentPlan {
  const newSet = newReplicaSetOf(deployment, replicaSets);
  const status = countStatus(deployment, replicaSets, newSet, now_ms);
  const nothing = { create: undefined, revision: undefined, again_ms: undefined };
  return { ...nothing, update: [], delete: [], status };
}

function planFixed(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Step {
  return { sizes: planScale(deployment, newSet, old), cleanup: deployment.spec.paused === true };
}

function planRollout(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  pods: readonly Pod[],
): Step {
  const step = isRolling(deployment)
    ? planRolling(deployment, newSet, old)
    : planRecreate(deployment, newSet, old, pods);
  if (step.sizes.size > 0 || step.create) return step;
  return { ...step, cleanup: isComplete(deployment, deployment.status ?? {}) };
}

function planRolling(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Step {
  if (!newSet) return { sizes: new Map(), create: true };
  const grown = growNew(deployment, newSet, old);
  return { sizes: grown.size > 0 ? grown : shrinkOld(deployment, newSet, old) };
}

function planRecreate(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  pods: readonly Pod[],
): Step {
  const live = old.filter((set) => wanted(set) > 0);
  if (live.length > 0) return { sizes: new Map(live.map((set) => [set.metadata.name ?? "", 0])) };
  const oldUids = new Set(old.map((set) => set.metadata.uid));
  const running = (pod: Pod) => oldUids.has(controllerOf(pod)?.uid) && !isPodTerminal(pod);
  if (pods.some(running)) return { sizes: new Map() };
  if (!newSet) return { sizes: new Map(), create: true };
  const size = wanted(deployment);
  if (wanted(newSet) === size) return { sizes: new Map() };
  return { sizes: new Map([[newSet.metadata.name ?? "", size]]) };
}

/** The Progressing condition that a pause, a resumption or a template known already starts with. */
function withPauseAndFound(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  now_ms: number,
): Deployment {
  if (!hasDeadline(deployment)) return deployment;
  const status = { ...deployment.status };
  const reason = conditionOf(status, "Progressing")?.reason;
  const set = (value: string, why: string, message: string) =>
    setCondition(status, { type: "Progressing", status: value, reason: why, message }, now_ms);
  const paused = deployment.spec.paused === true;
  if (reason !== "ProgressDeadlineExceeded") {
    if (paused && reason !== "DeploymentPaused") {
      set("Unknown", "DeploymentPaused", "Deployment is paused");
    } else if (!paused && reason === "DeploymentPaused") {
      set("Unknown", "DeploymentResumed", "Deployment is resumed");
    }
  }
  if (!conditionOf(status, "Progressing") && newSet) {
    const message = `Found new replica set "${newSet.metadata.name ?? ""}"`;
    set("True", "FoundNewReplicaSet", message);
  }
  return { ...deployment, status };
}

/** Whether a ReplicaSet that is there already under the wanted name is the wanted one. */
export function isSame(deployment: Deployment, existing: ReplicaSet): boolean {
  if (controllerOf(existing)?.uid !== deployment.metadata.uid) return false;
  return sameTemplate(existing.spec.template, deployment.spec.template);
}
