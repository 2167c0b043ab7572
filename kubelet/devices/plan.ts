import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";

/** Devices that one container asks for, of one resource. */
export interface DeviceRequest {
  container: string;
  resource: string;
  count: number;
  /**
   * Whether later containers of the pod may reuse the devices: the container ends before they
   * start. Sidecars run beside the others and keep theirs.
   */
  passesOn: boolean;
}

/** Returns the pod's requests for `resources`, in the order in which the containers start. Pure. */
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

/** Returns the container's requests; for extended resources they are its limits. */
export function requestsOf(
  container: Container,
  resources: ReadonlySet<string>,
): [resource: string, count: number][] {
  return Object.entries(container.resources?.limits ?? {})
    .filter(([resource]) => resources.has(resource))
    .map(([resource, quantity]): [string, number] => [resource, valueOf(quantity)])
    .filter(([, count]) => count > 0);
}

/** Devices that a request can choose from. */
export interface DeviceChoice {
  /** Devices of earlier init containers of the same pod: taken first. */
  reusable: readonly string[];
  /** Healthy and held by no one. */
  free: readonly string[];
}

export type DevicePlan =
  | { kind: "short"; available: number }
  /**
   * `choose`: the plugin's preference among `candidates`, with `must` included, else `fallback`.
   */
  | { kind: "choose"; must: string[]; candidates: string[]; fallback: string[] };

/** Decides which devices a request can get. Pure; the order of ids makes it repeatable. */
export function planDevices(count: number, choice: DeviceChoice): DevicePlan {
  const must = [...choice.reusable].sort().slice(0, count);
  const taken = new Set(must);
  const free = choice.free.filter((id) => !taken.has(id)).sort();
  if (must.length + free.length < count) {
    return { kind: "short", available: must.length + free.length };
  }
  const fallback = [...must, ...free.slice(0, count - must.length)];
  return { kind: "choose", must, candidates: [...must, ...free], fallback };
}

/**
 * Returns the plugin's preference if it is valid: the right number of devices, all of them
 * candidates, and all that must be included. Otherwise undefined, since the choice is the
 * kubelet's. Pure.
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
