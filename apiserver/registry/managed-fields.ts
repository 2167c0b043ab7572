import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "../object/errors/api-error.ts";
import { trackUpdate } from "../managed-fields/track.ts";
import { trackedOf } from "../managed-fields/tracked.ts";
import type { Resource } from "../resource/resource.ts";
import type { WriteOptions } from "./write-options.ts";

/**
 * Notes what a write's own words change: what admission and the kind's rules add is nobody's. An
 * object whose parts cannot be told apart (an item of a list without its key) has no owners.
 */
export function trackWrite(
  { kind }: Resource,
  object: KubeObject,
  old: KubeObject | undefined,
  options: WriteOptions,
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
