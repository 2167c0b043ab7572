import { isNotFound, KubeError } from "@raft2kube/client-kube/errors.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  adoptionPatch,
  controllerReference,
  planClaim,
  releasePatch,
} from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { filterInSlices } from "@raft2kube/std/slices.ts";
import { controlledBy, orphansIn } from "./indexes.ts";

export interface ClaimOptions<C extends KubeObject, T extends KubeObject> {
  controller: C;
  type: { apiVersion: string; kind: string };
  /** All objects of the dependents' kind, with `CONTROLLER_INDEX`. */
  store: Pick<ReadStore<T>, "by">;
  matches(object: T): boolean;
  /** The controller as the server has it now. */
  fresh(): Promise<C>;
  dependents: ResourceClient<T>;
  /** One that dependents get with their owner, and lose with it. */
  finalizer?: string;
}

/**
 * Adopts and releases, and gives the objects that belong to the controller now. Before the first
 * adoption the controller is read afresh: an informer that lags must not give objects to one that
 * is being deleted or was replaced.
 */
export async function claim<C extends KubeObject, T extends KubeObject>(
  options: ClaimOptions<C, T>,
): Promise<T[]> {
  const { controller, type, store, matches, dependents, finalizer } = options;
  const { namespace, uid } = controller.metadata;
  const near = [...controlledBy(store, controller), ...orphansIn(store, namespace)];
  const matching = new Set(await filterInSlices(near, matches));
  const plan = planClaim(controller, near, (object) => matching.has(object));
  for (const object of plan.release) {
    const patch = releasePatch(uid, object.metadata.uid, finalizer);
    await settled(dependents.patch(nameOf(object), "strategic", patch));
  }
  if (plan.adopt.length === 0) return plan.owned;
  const fresh = await options.fresh();
  if (fresh.metadata.uid !== uid || fresh.metadata.deletionTimestamp) return plan.owned;
  const owned = [...plan.owned];
  const reference = controllerReference(controller, type);
  for (const object of plan.adopt) {
    const patch = adoptionPatch(reference, object.metadata.uid, finalizer);
    if (await settled(dependents.patch(nameOf(object), "strategic", patch))) owned.push(object);
  }
  return owned;
}

/**
 * Returns false when the object is gone or another one has its name (the uid does not match): there
 * is nothing to claim.
 */
async function settled(patching: Promise<unknown>): Promise<boolean> {
  try {
    await patching;
    return true;
  } catch (thrown) {
    const replaced = thrown instanceof KubeError && ["Invalid", "Conflict"].includes(thrown.code);
    if (isNotFound(thrown) || replaced) return false;
    throw thrown;
  }
}
