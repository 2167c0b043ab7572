import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { setCondition } from "@raft2kube/apiextensions/conditions.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import type { DeleteRequest } from "./delete-options.ts";
import { type DeletePlan, planDelete } from "./delete-plan.ts";

/** Keeps a definition until its instances are deleted. */
export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

export function isDefinitions({ group, plural }: Kind): boolean {
  return group === "apiextensions.k8s.io" && plural === "customresourcedefinitions";
}

/** A definition's first deletion marks it, and says so in its status (upstream's registry). */
export function planDefinitionDelete(
  kind: Kind,
  object: KubeObject,
  request: DeleteRequest,
  now_ms: number,
): DeletePlan {
  if (object.metadata.deletionTimestamp !== undefined) {
    return planDelete(kind, object, request, now_ms);
  }
  const now = timeText(now_ms);
  const { finalizers = [] } = object.metadata;
  const marked = structuredClone(object) as KubeObject & CustomResourceDefinition;
  marked.metadata.deletionTimestamp = now;
  marked.metadata.finalizers = [...new Set([...finalizers, CLEANUP_FINALIZER])];
  setCondition(
    marked,
    {
      type: "Terminating",
      status: "True",
      reason: "InstanceDeletionPending",
      message:
        "CustomResourceDefinition marked for deletion; " +
        "CustomResource deletion will begin soon",
    },
    now,
  );
  return { do: "mark", object: marked };
}
