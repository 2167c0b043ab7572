import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { FOREGROUND, ORPHAN, type OwnerState } from "./graph.ts";

export type Propagation = "Orphan" | "Background" | "Foreground";

/** The plan for an object whose owners were looked up. */
export type ItemAction =
  | { do: "keep" }
  /** Some owners live on: references to the others go. */
  | { do: "drop-owners"; keep: OwnerReference[] }
  | { do: "delete"; propagation: Propagation; unblock?: true };

/** An object's own dependents; `waiting`: one of them waits for its dependents in turn. */
export type Dependents = "none" | "some" | "waiting";

/**
 * Upstream's rule for one object: one living owner keeps it; with none left it is deleted, in the
 * foreground if an owner waits for it and it has dependents of its own.
 */
export function planItem(
  object: KubeObject,
  stateOf: (owner: OwnerReference) => OwnerState,
  dependentsOf: () => Dependents,
): ItemAction {
  const owners = object.metadata.ownerReferences ?? [];
  if (owners.length === 0 || object.metadata.deletionTimestamp) return { do: "keep" };
  const states = owners.map((owner) => ({ owner, state: stateOf(owner) }));
  const solid = states.filter(({ state }) => state === "solid").map(({ owner }) => owner);
  if (solid.length === owners.length) return { do: "keep" };
  if (solid.length > 0) return { do: "drop-owners", keep: solid };
  const dependents = states.some(({ state }) => state === "waiting") ? dependentsOf() : "none";
  if (dependents !== "none") {
    // It may be a circle, in which each waits for the next: it then blocks its owners no more.
    const circle = dependents === "waiting" ? { unblock: true as const } : {};
    return { do: "delete", propagation: "Foreground", ...circle };
  }
  return { do: "delete", propagation: ownPropagation(object) };
}

/** The work of an object's own finalizers. */
function ownPropagation({ metadata }: KubeObject): Propagation {
  if (metadata.finalizers?.includes(ORPHAN)) return "Orphan";
  return metadata.finalizers?.includes(FOREGROUND) ? "Foreground" : "Background";
}
