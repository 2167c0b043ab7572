import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "../errors/api-error.ts";
import { trackUpdate } from "./track.ts";
import { trackedOf } from "./tracked.ts";

/**
 * Notes what a write's own words change: what admission and the kind's rules add is nobody's. An
 * object whose parts cannot be told apart (an item of a list without its key) has no owners.
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
