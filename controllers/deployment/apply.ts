import type { Deployment, DeploymentStatus, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import {
  isAlreadyExists,
  isNamespaceTerminating,
  undefinedIfNotFound,
} from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type DeploymentPlan, isSame, type ReplicaSetUpdate } from "./plan.ts";
import { REVISION } from "./revision.ts";
import { wanted } from "./rolling.ts";
import { hasDeadline, setCondition } from "./status.ts";

/** The parts that apply a deployment's plan. */
export interface DeploymentControl {
  deployments: ResourceClient<Deployment>;
  replicaSets: ResourceClient<ReplicaSet>;
  recorder: EventRecorder;
}

/** Carries out a plan: scales first, then the status that reports them. */
export async function applyDeployment(
  control: DeploymentControl,
  deployment: Deployment,
  plan: DeploymentPlan,
  now_ms: number,
): Promise<void> {
  if (plan.create) {
    const failed = await create(control, deployment, plan.create, plan.status, now_ms);
    if (failed) {
      await writeStatus(control, deployment, failed.status, undefined);
      throw failed.error;
    }
  }
  for (const update of plan.update) await resize(control, deployment, update);
  for (const { metadata } of plan.delete) {
    const name = { namespace: metadata.namespace, name: metadata.name ?? "" };
    await undefinedIfNotFound(
      control.replicaSets.delete(name, { preconditions: { uid: metadata.uid } }),
    );
  }
  await writeStatus(control, deployment, plan.status, plan.revision);
}

/**
 * Creates the new ReplicaSet. A name taken by another template counts a collision: the next try
 * differs.
 */
async function create(
  control: DeploymentControl,
  deployment: Deployment,
  replicaSet: ReplicaSet,
  status: DeploymentStatus,
  now_ms: number,
): Promise<{ status: DeploymentStatus; error: unknown } | undefined> {
  const name = replicaSet.metadata.name ?? "";
  try {
    await control.replicaSets.create(replicaSet);
  } catch (thrown) {
    if (isAlreadyExists(thrown)) {
      const existing = await control.replicaSets.get(nameOf(replicaSet));
      if (isSame(deployment, existing)) return undefined;
      const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
      return { status: { ...status, collisionCount }, error: thrown };
    }
    if (isNamespaceTerminating(thrown)) throw thrown;
    const message = `Failed to create new replica set "${name}": ${messageOf(thrown)}`;
    control.recorder.record(deployment, "Warning", "ReplicaSetCreateError", message);
    const failed = { ...status };
    if (hasDeadline(deployment)) {
      const condition = { type: "Progressing", status: "False", reason: "ReplicaSetCreateError" };
      setCondition(failed, { ...condition, message }, now_ms);
    }
    return { status: failed, error: thrown };
  }
  recordScaled(control, deployment, name, 0, wanted(replicaSet));
  return undefined;
}

async function resize(
  control: DeploymentControl,
  deployment: Deployment,
  { replicaSet, from }: ReplicaSetUpdate,
): Promise<void> {
  await control.replicaSets.update(replicaSet);
  const to = wanted(replicaSet);
  recordScaled(control, deployment, replicaSet.metadata.name ?? "", from, to);
}

function recordScaled(
  control: DeploymentControl,
  deployment: Deployment,
  name: string,
  from: number,
  to: number,
): void {
  if (from === to) return;
  const way = to > from ? "up" : "down";
  const message = `Scaled ${way} replica set ${name} from ${from} to ${to}`;
  control.recorder.record(deployment, "Normal", "ScalingReplicaSet", message);
}

/**
 * Writes the status, and with it the revision: the annotation goes through the same door upstream.
 */
async function writeStatus(
  control: DeploymentControl,
  deployment: Deployment,
  status: DeploymentStatus,
  revision: bigint | undefined,
): Promise<void> {
  const before = deployment.metadata.annotations ?? {};
  const annotations = revision === undefined ? before : { ...before, [REVISION]: String(revision) };
  const sameStatus = canonical(deployment.status) === canonical(status);
  if (sameStatus && annotations[REVISION] === before[REVISION]) return;
  const metadata = { ...deployment.metadata, annotations };
  await undefinedIfNotFound(control.deployments.updateStatus({ ...deployment, metadata, status }));
}

function canonical(status: DeploymentStatus | undefined): string {
  const { conditions = [], ...counts } = status ?? {};
  const set = Object.entries(counts).filter(([, value]) => value !== 0 && value !== undefined);
  const ordered = [...conditions].sort((a, b) => (a.type < b.type ? -1 : 1));
  const parts = ordered.map((condition) => [
    condition.type,
    condition.status,
    condition.reason,
    condition.message,
    condition.lastUpdateTime,
  ]);
  return JSON.stringify([set.sort(([a], [b]) => (a < b ? -1 : 1)), parts]);
}
