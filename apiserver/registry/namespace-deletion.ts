import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import type { DeleteRequest } from "./delete-options.ts";
import { type DeletePlan, planDelete } from "./delete-plan.ts";

interface Namespace extends KubeObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

/** Whether it is a namespace that is not emptied yet: it stays, even without other finalizers. */
export function isUnemptied(kind: Kind, object: KubeObject): boolean {
  return isNamespaces(kind) && isHeld(object);
}

export function isNamespaces({ group, plural }: Kind): boolean {
  return group === "" && plural === "namespaces";
}

const isHeld = ({ spec }: Namespace): boolean => (spec?.finalizers ?? []).length > 0;

/**
 * A namespace goes in two steps: it is marked Terminating; the namespace controller empties it and
 * takes
 * `kubernetes` out of spec.finalizers; then it can be removed.
 */
export function planNamespaceDelete(
  kind: Kind,
  namespace: Namespace,
  request: DeleteRequest,
  now_ms: number,
): DeletePlan {
  if (!isHeld(namespace)) return planDelete(kind, namespace, request, now_ms);
  if (namespace.metadata.deletionTimestamp !== undefined) return { do: "keep" };
  const metadata = { ...namespace.metadata, deletionTimestamp: timeText(now_ms) };
  const status = { ...namespace.status, phase: "Terminating" };
  return { do: "mark", object: { ...namespace, metadata, status } as KubeObject };
}
