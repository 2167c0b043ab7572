import type { Pod, PodCondition, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";

/** Answer of the node to a resize. Deferred: it fits when other pods have gone. */
export type ResizeVerdict = { kind: "fits" } | { kind: "Deferred" | "Infeasible"; message: string };

/** One of the two conditions, and the pod's generation that it is about. */
export interface ResizeCondition {
  reason?: "Deferred" | "Infeasible" | "Error";
  message?: string;
  generation: number | undefined;
}

/** State of a pod's resize: the spec is not granted (pending), or granted but not carried out. */
export interface ResizeState {
  pending: ResizeCondition | undefined;
  inProgress: ResizeCondition | undefined;
}

export const NO_RESIZE: ResizeState = { pending: undefined, inProgress: undefined };

/** The conditions of a resize. They are there only while they are True. */
export const RESIZE_CONDITIONS = ["PodResizePending", "PodResizeInProgress"] as const;

/** Returns the conditions of a resize without times. */
export function resizeConditions({ pending, inProgress }: ResizeState): PodCondition[] {
  const condition = (type: string, { reason, message, generation }: ResizeCondition) => ({
    type,
    status: "True",
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
  });
  return [
    ...(pending ? [condition("PodResizePending", pending)] : []),
    ...(inProgress ? [condition("PodResizeInProgress", inProgress)] : []),
  ];
}

/**
 * Returns the message of an event about a resize, in upstream's form: what happens, then as JSON
 * the containers' resources, the generation and the error.
 */
export function resizeMessage(
  what: string,
  { spec }: Pod,
  generation: number | undefined,
  error?: string,
): string {
  const shown = (containers: Pod["spec"]["containers"]) =>
    containers.map(({ name, resources = {} }) => ({ name, resources: sorted(resources) }));
  const { initContainers = [] } = spec;
  const facts = {
    ...(initContainers.length > 0 ? { initContainers: shown(initContainers) } : {}),
    containers: shown(spec.containers),
    ...(generation === undefined ? {} : { generation }),
    ...(error === undefined ? {} : { error }),
  };
  return `Pod resize ${what}: ${JSON.stringify(facts)}`;
}

function sorted({ limits, requests }: ResourceRequirements): object {
  const list = (amounts: Record<string, string>) =>
    Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...(limits ? { limits: list(limits) } : {}),
    ...(requests ? { requests: list(requests) } : {}),
  };
}
