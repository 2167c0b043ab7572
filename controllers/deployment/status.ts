import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from "@raft2kube/api/gen/apps/v1.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { rollingBounds, wanted } from "./rolling.ts";

const NO_DEADLINE = 2_147_483_647;

export function conditionOf(
  status: DeploymentStatus | undefined,
  type: string,
): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Whether progress is watched at all: kubectl and users turn it off with the largest int32. */
export function hasDeadline(deployment: Deployment): boolean {
  const deadline = deployment.spec.progressDeadlineSeconds;
  return deadline !== undefined && deadline !== NO_DEADLINE;
}

/** Sets a condition; its transition time moves only when its status does. */
export function setCondition(
  status: DeploymentStatus,
  condition: Pick<DeploymentCondition, "type" | "status" | "reason" | "message">,
  now_ms: number,
): void {
  const known = conditionOf(status, condition.type);
  if (known?.status === condition.status && known.reason === condition.reason) return;
  const now = timeText(now_ms);
  const kept = known?.status === condition.status ? known.lastTransitionTime : undefined;
  const others = (status.conditions ?? []).filter((other) => other !== known);
  const changed = { ...condition, lastUpdateTime: now, lastTransitionTime: kept ?? now };
  status.conditions = [...others, changed];
}

export function removeCondition(status: DeploymentStatus, type: string): void {
  status.conditions = (status.conditions ?? []).filter((condition) => condition.type !== type);
}

/** The counts that the ReplicaSets make, and the Available condition. */
export function countStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  now_ms: number,
): DeploymentStatus {
  const sum = (count: (set: ReplicaSet) => number | undefined) =>
    all.reduce((total, set) => total + (count(set) ?? 0), 0);
  const replicas = sum((set) => set.status?.replicas);
  const availableReplicas = sum((set) => set.status?.availableReplicas);
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(wanted) - availableReplicas),
    terminatingReplicas: sum((set) => set.status?.terminatingReplicas),
    conditions: [...(deployment.status?.conditions ?? [])],
  };
  const { collisionCount } = deployment.status ?? {};
  if (collisionCount !== undefined) status.collisionCount = collisionCount;
  const least = wanted(deployment) - rollingBounds(deployment).maxUnavailable;
  const enough = availableReplicas >= least;
  const condition = enough
    ? {
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
  setCondition(status, { type: "Available", ...condition }, now_ms);
  return status;
}

/** Whether every wanted pod is of the new template and available, and no other is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const target = wanted(deployment);
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
  if (updatedReplicas !== target || replicas !== target || availableReplicas !== target) {
    return false;
  }
  return (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0);
}

function isProgressing(old: DeploymentStatus, status: DeploymentStatus): boolean {
  const { updatedReplicas = 0, replicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  const before = old.updatedReplicas ?? 0;
  return (
    updatedReplicas > before ||
    replicas - updatedReplicas < (old.replicas ?? 0) - before ||
    readyReplicas > (old.readyReplicas ?? 0) ||
    availableReplicas > (old.availableReplicas ?? 0)
  );
}

/** Milliseconds until the deadline passes without progress; negative when it has. */
function untilDeadline(deployment: Deployment, condition: DeploymentCondition, now_ms: number) {
  const deadline_ms = (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
  return (timeOf(condition.lastUpdateTime) ?? now_ms) + deadline_ms - now_ms;
}

/** The whole status during a rollout, with Progressing and ReplicaFailure as upstream sets them. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  now_ms: number,
): DeploymentStatus {
  const status = countStatus(deployment, all, newSet, now_ms);
  if (!hasDeadline(deployment)) removeCondition(status, "Progressing");
  const current = conditionOf(deployment.status, "Progressing");
  const known = current?.reason === "NewReplicaSetAvailable";
  const finished = status.replicas === status.updatedReplicas && known;
  if (hasDeadline(deployment) && !finished) setProgress(deployment, status, newSet, now_ms);
  moveFailure(status, all, newSet, now_ms);
  return status;
}

function setProgress(
  deployment: Deployment,
  status: DeploymentStatus,
  newSet: ReplicaSet | undefined,
  now_ms: number,
): void {
  const what = newSet
    ? `ReplicaSet "${newSet.metadata.name ?? ""}"`
    : `Deployment "${deployment.metadata.name ?? ""}"`;
  const current = conditionOf(deployment.status, "Progressing");
  const set = (value: string, reason: string, message: string) =>
    setCondition(status, { type: "Progressing", status: value, reason, message }, now_ms);
  if (isComplete(deployment, status)) {
    set("True", "NewReplicaSetAvailable", `${what} has successfully progressed.`);
  } else if (isProgressing(deployment.status ?? {}, status)) {
    // Removed first: its update time is the clock of the deadline and must move with each progress.
    removeCondition(status, "Progressing");
    set("True", "ReplicaSetUpdated", `${what} is progressing.`);
    const renewed = conditionOf(status, "Progressing");
    if (current?.status === "True" && renewed && current.lastTransitionTime) {
      renewed.lastTransitionTime = current.lastTransitionTime;
    }
  } else if (hasTimedOut(deployment, current, now_ms)) {
    set("False", "ProgressDeadlineExceeded", `${what} has timed out progressing.`);
  }
}

function hasTimedOut(
  deployment: Deployment,
  current: DeploymentCondition | undefined,
  now_ms: number,
): boolean {
  if (!current || current.reason === "NewReplicaSetAvailable") return false;
  if (current.reason === "ProgressDeadlineExceeded") return true;
  return untilDeadline(deployment, current, now_ms) < 0;
}

/** Shows why pods cannot be made: the new set's failure first, else any old one's. */
function moveFailure(
  status: DeploymentStatus,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  now_ms: number,
): void {
  const ordered = newSet ? [newSet, ...all.filter((set) => set !== newSet)] : all;
  const failures = ordered.flatMap((set) =>
    (set.status?.conditions ?? []).filter((condition) => condition.type === "ReplicaFailure"),
  );
  const failure = failures[0];
  if (!failure) return removeCondition(status, "ReplicaFailure");
  const { type, status: value, reason = "", message = "" } = failure;
  setCondition(status, { type, status: value, reason, message }, now_ms);
}

/** When to look again although nothing changes: at the deadline. Undefined: not at all. */
export function nextLook(
  deployment: Deployment,
  status: DeploymentStatus,
  now_ms: number,
): number | undefined {
  const current = conditionOf(status, "Progressing");
  if (!hasDeadline(deployment) || !current || isComplete(deployment, status)) return undefined;
  if (current.reason === "ProgressDeadlineExceeded") return undefined;
  if (current.reason === "NewReplicaSetAvailable") return undefined;
  return Math.max(0, untilDeadline(deployment, current, now_ms)) + 1_000;
}
