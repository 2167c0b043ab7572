import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { humanDuration } from "@raft2kube/api/human-duration.ts";

/** Times of writes are whole seconds, and a write may be slow: less is no difference of clocks. */
const SKEW_MS_MIN = 5_000;
const HEARTBEAT = "f:lastHeartbeatTime";
const [READY, READY_FIELDS] = ["Ready", 'k:{"type":"Ready"}'];
type StatusFields = { "f:status"?: { "f:conditions"?: Readonly<Record<string, object>> } };

/** Milliseconds that a node's clock is ahead of the API server's, by name, where these differ. */
export type Skews = ReadonlyMap<string, number>;

/**
 * Returns the skews of nodes: a kubelet dates its heartbeat by its own clock, and the API server
 * dates the write of that by its own, in the object's `managedFields`.
 */
export function skewsOf(nodes: readonly Node[]): Skews {
  const skews = nodes.map(({ metadata: { name = "", managedFields = [] }, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === READY);
    const write = managedFields.find(({ fieldsV1 }) => {
      const { "f:status": fields } = (fieldsV1 ?? {}) as StatusFields;
      return HEARTBEAT in (fields?.["f:conditions"]?.[READY_FIELDS] ?? {});
    });
    const skew_ms = Date.parse(ready?.lastHeartbeatTime ?? "") - Date.parse(write?.time ?? "");
    return [name, skew_ms] as const;
  });
  return new Map(skews.filter(([, skew_ms]) => Math.abs(skew_ms) >= SKEW_MS_MIN));
}

/** `the clock of node-1 is 2m5s ahead of the API server's`; undefined if it is not known to be. */
export function skewText(skews: Skews, node = ""): string | undefined {
  const skew_ms = skews.get(node);
  if (skew_ms === undefined) return undefined;
  const by = humanDuration(Math.abs(skew_ms) / 1_000);
  return `the clock of ${node} is ${by} ${skew_ms > 0 ? "ahead of" : "behind"} the API server's`;
}
