import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  isAlreadyExists,
  isNamespaceTerminating,
  undefinedIfNotFound,
} from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { slowStart } from "../pod-control.ts";
import type { WriteTracker } from "../write-tracker.ts";
import { claimNamesOf, claimsOf, hasIdentity, withIdentity } from "./identity.ts";
import type { StatefulPlan, StatefulView, Task } from "./plan.ts";
import { planRetention } from "./retention.ts";

/** The parts that act on pods and their claims. */
export interface StatefulControl {
  pods: ResourceClient<Pod>;
  claims: ResourceClient<PersistentVolumeClaim>;
  recorder: EventRecorder;
  /** Creations and changes: until the informers show them, nothing else is planned. */
  written: { pods: WriteTracker; claims: WriteTracker };
}

/**
 * Carries out a plan, stage by stage, and stops at the first error. Returns it, the pods that were
 * created, and how many were deleted by the last stage, the update.
 */
export async function applyPlan(
  control: StatefulControl,
  view: StatefulView,
  { stages }: StatefulPlan,
): Promise<{ created: Pod[]; updated: number; error?: unknown }> {
  const created: Pod[] = [];
  const isOrdered = view.set.spec.podManagementPolicy !== "Parallel";
  for (const tasks of stages) {
    let place = 0;
    const next = async () => {
      const task = tasks[place++];
      if (task) await applyTask(control, view, task, created);
    };
    const { error } = isOrdered
      ? await inOrder(tasks.length, next)
      : await slowStart(tasks.length, next);
    if (error !== undefined) return { created, updated: 0, error };
  }
  return { created, updated: stages[UPDATE_STAGE]?.length ?? 0 };
}

const UPDATE_STAGE = 3;

async function inOrder(count: number, act: () => Promise<void>): Promise<{ error?: unknown }> {
  try {
    for (let place = 0; place < count; place++) await act();
    return {};
  } catch (error) {
    return { error };
  }
}

async function applyTask(
  control: StatefulControl,
  view: StatefulView,
  task: Task,
  created: Pod[],
): Promise<void> {
  const { set } = view;
  const { pod } = task;
  switch (task.do) {
    case "create":
      return withEvent(control, set, pod, "Create", async () => {
        await makeClaims(control, view, task);
        const made = await control.pods.create(pod);
        control.written.pods.wrote(keyOf(set), made);
        created.push(made);
      });
    case "delete":
      return withEvent(control, set, pod, "Delete", () => deletePod(control, pod));
    case "retain":
      return retainClaims(control, view, task);
    case "claims":
      return makeClaims(control, view, task);
    case "repair":
      return repair(control, view, task);
    default:
      return task.do satisfies never;
  }
}

/** Records the outcome on the set. A pod of this name that is there already is no event. */
async function withEvent(
  { recorder }: StatefulControl,
  set: StatefulSet,
  pod: Pod,
  verb: string,
  act: () => Promise<void>,
): Promise<void> {
  const what = `${verb} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  try {
    await act();
    recorder.record(set, "Normal", `Successful${verb}`, `${what} successful`);
  } catch (thrown) {
    if (!isAlreadyExists(thrown) && !isNamespaceTerminating(thrown)) {
      const message = `${what} failed error: ${messageOf(thrown)}`;
      recorder.record(set, "Warning", `Failed${verb}`, message);
    }
    throw thrown;
  }
}

/**
 * Deletes a pod by its uid: an informer that lags must not make it delete the next pod of the same
 * name.
 */
async function deletePod({ pods }: StatefulControl, pod: Pod): Promise<void> {
  await undefinedIfNotFound(pods.delete(nameOf(pod), { preconditions: { uid: pod.metadata.uid } }));
}

async function repair(control: StatefulControl, view: StatefulView, task: Task): Promise<void> {
  const { set } = view;
  const { pod, ordinal } = task;
  if (hasIdentity(set, pod, ordinal)) return retainClaims(control, view, task);
  await withEvent(control, set, pod, "Update", async () => {
    await makeClaims(control, view, task);
    const updated = await control.pods.update(withIdentity(set, pod, ordinal));
    control.written.pods.wrote(keyOf(set), updated);
  });
}

/** Creates the claims of a pod that are missing, with their owners, and gives the others theirs. */
async function makeClaims(control: StatefulControl, view: StatefulView, task: Task): Promise<void> {
  const { set } = view;
  for (const claim of claimsOf(set, task.ordinal)) {
    const { name = "" } = claim.metadata;
    const existing = view.claim(name);
    if (existing?.metadata.deletionTimestamp) {
      throw new CodedError("ClaimLeaving", `pvc ${name} is being deleted`);
    }
    if (existing) continue;
    const { owners } = planRetention(set, task.pod, task.ordinal, claim);
    if (owners) claim.metadata.ownerReferences = owners;
    await createClaim(control, set, task.pod, claim);
  }
  await retainClaims(control, view, task);
}

async function createClaim(
  { claims, recorder, written }: StatefulControl,
  set: StatefulSet,
  pod: Pod,
  claim: PersistentVolumeClaim,
): Promise<void> {
  const what = `Create Claim ${claim.metadata.name}`;
  const where = `Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  try {
    written.claims.wrote(keyOf(set), await claims.create(claim));
    recorder.record(set, "Normal", "SuccessfulCreate", `${what} ${where} success`);
  } catch (thrown) {
    if (!isAlreadyExists(thrown)) {
      const message = `${what} for ${where} failed error: ${messageOf(thrown)}`;
      recorder.record(set, "Warning", "FailedCreate", message);
    }
    throw thrown;
  }
}

/** Gives the claims that are there the owners that the retention policy wants. */
async function retainClaims(
  { claims, recorder, written }: StatefulControl,
  view: StatefulView,
  { pod, ordinal }: Task,
): Promise<void> {
  const { set } = view;
  for (const name of claimNamesOf(set, ordinal)) {
    const claim = view.claim(name);
    if (!claim) continue;
    const { owners, conflict } = planRetention(set, pod, ordinal, claim);
    if (conflict) {
      const message =
        `PersistentVolumeClaim ${name} ` +
        "has a conflicting OwnerReference that acts as a manging controller, the retention " +
        "policy is ignored for this claim";
      recorder.record(set, "Warning", "ConflictingController", message);
    }
    if (!owners) continue;
    const metadata = { ...claim.metadata, ownerReferences: owners };
    written.claims.wrote(keyOf(set), await claims.update({ ...claim, metadata }));
  }
}
