import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { valueOf } from "@raft2kube/api/quantity.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";

/** Devices that one container asks for, of one resource. */
export interface DeviceRequest {
  container: string;
  resource: string;
  count: number;
  /**
   * Whether the container ends before the pod's others start, so that its devices go on to them.
   * Sidecars run beside the others and keep theirs.
   */
  passesOn: boolean;
}

/** What the pod's containers ask for, of `resources` alone, in the order they start. Pure. */
export function deviceRequests(pod: Pod, resources: ReadonlySet<string>): DeviceRequest[] {
  return containersOf(pod).flatMap(({ kind, container }) =>
    requestsOf(container, resources).map(([resource, count]) => ({
      container: container.name,
      resource,
      count,
      passesOn: kind === "init" && !isRestartableInit(container),
    })),
  );
}

/** What one container asks for: limits are what counts for extended resources. */
export function requestsOf(
  container: Container,
  resources: ReadonlySet<string>,
): [resource: string, count: number][] {
  return Object.entries(container.resources?.limits ?? {})
    .filter(([resource]) => resources.has(resource))
    .map(([resource, quantity]): [string, number] => [resource, valueOf(quantity)])
    .filter(([, count]) => count > 0);
}

/** The devices of a resource as a request sees them. */
export interface DeviceChoice {
  /** Held by earlier init containers of the same pod: taken first. */
  reusable: readonly string[];
  /** Healthy and held by no one. */
  free: readonly string[];
}

export type DevicePlan =
  | { kind: "short"; available: number }
  /** Taken as they are, or what the plugin prefers of `candidates`, `must` included. */
  | { kind: "choose"; must: string[]; candidates: string[]; fallback: string[] };

/** Decides which devices a request can get. Pure; the order of ids makes it repeatable. */
export function planDevices(count: number, choice: DeviceChoice): DevicePlan {
  const must = [...choice.reusable].sort().slice(0, count);
  const free = choice.free.filter((id) => !must.includes(id)).sort();
  if (must.length + free.length < count) {
    return { kind: "short", available: must.length + free.length };
  }
  const fallback = [...must, ...free.slice(0, count - must.length)];
  return { kind: "choose", must, candidates: [...must, ...free], fallback };
}

/**
 * A plugin's preference where it is one: of the right number, of candidates only, with all that
 * must be included. Anything else is ignored, since the choice is the kubelet's. Pure.
 */
export function acceptPreference(
  preferred: readonly string[],
  plan: Extract<DevicePlan, { kind: "choose" }>,
): string[] {
  const ids = new Set(preferred);
  const known = new Set(plan.candidates);
  const right =
    ids.size === preferred.length &&
    ids.size === plan.fallback.length &&
    preferred.every((id) => known.has(id)) &&
    plan.must.every((id) => ids.has(id));
  return right ? [...preferred] : plan.fallback;
}
