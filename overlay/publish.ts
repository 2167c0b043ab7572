import type { Node, NodeCondition } from "@raft2kube/api/gen/core/v1.ts";

/** Whether the overlay works on this node, as the Node's condition NetworkUnavailable. */
export type Health = { readonly works: true } | { readonly works: false; readonly why: string };

const TYPE = "NetworkUnavailable";

/**
 * Returns what has to be patched into a Node's status (strategic merge), undefined when all of it
 * is there. `now` is the time of RFC 3339.
 */
export function nodePatch(
  node: Node,
  annotations: Readonly<Record<string, string>>,
  health: Health,
  now: string,
): object | undefined {
  const present = node.metadata.annotations ?? {};
  const isAnnotated = Object.entries(annotations).every(([name, text]) => present[name] === text);
  const condition = conditionOf(health);
  const found = node.status?.conditions?.find(({ type }) => type === TYPE);
  const isKnown =
    found?.status === condition.status &&
    found.reason === condition.reason &&
    found.message === condition.message;
  if (isAnnotated && isKnown) return undefined;
  const since = found?.status === condition.status ? found.lastTransitionTime : undefined;
  const times = { lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  return {
    ...(isAnnotated ? {} : { metadata: { annotations } }),
    ...(isKnown ? {} : { status: { conditions: [{ ...condition, ...times }] } }),
  };
}

function conditionOf(
  health: Health,
): Pick<NodeCondition, "type" | "status" | "reason" | "message"> {
  if (health.works) {
    const message = "the overlay is running on this node";
    return { type: TYPE, status: "False", reason: "OverlayIsUp", message };
  }
  return { type: TYPE, status: "True", reason: "OverlayFailed", message: health.why };
}
