import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "../errors/api-error.ts";
import { trackUpdate } from "./track.ts";
import { trackedOf } from "./tracked.ts";

/**
 * Tracks the fields that the request itself changes: fields that admission and defaults add have no
 * owner. An object with indistinguishable parts (a list item without its key) has no owners.
 */
export function updateManagedFields(
  { kind }: { readonly kind: Kind },
  object: KubeObject,
  old: KubeObject | undefined,
  options: { readonly fieldManager: string; readonly subresource: string },
  now_ms: number,
): void {
  const { fieldManager: manager, subresource } = options;
  const writer = { manager, operation: "Update", subresource, now_ms } as const;
  try {
    trackUpdate(trackedOf(kind, subresource), object, old, writer);
  } catch (thrown) {
    if (!isReason(thrown, "BadRequest")) throw thrown;
    delete object.metadata.managedFields;
  }
}
