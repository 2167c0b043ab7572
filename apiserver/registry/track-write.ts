import type { KubeObject } from "@raft2kube/api/kind.ts";
import { trackUpdate } from "../patch/apply/track.ts";
import { trackedOf } from "../patch/apply/tracked.ts";
import type { Resource } from "./resource.ts";
import type { WriteOptions } from "./write-options.ts";

/** Notes what a write's own words change: what admission and the kind's rules add is nobody's. */
export function trackWrite(
  { kind }: Resource,
  object: KubeObject,
  old: KubeObject | undefined,
  options: WriteOptions,
  now_ms: number,
): void {
  const { fieldManager: manager, subresource } = options;
  const writer = { manager, operation: "Update", subresource, now_ms } as const;
  trackUpdate(trackedOf(kind, subresource), object, old, writer);
}
