import type { Container, Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { needsRestart } from "../allocation/plan.ts";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { ContainerKind } from "../pods/pod-identity.ts";
import { neverRestarts } from "../pods/restart-policy.ts";
import type { ContainerHealth } from "../probes/probe-verdict.ts";

export interface PlanInput {
  pod: Pod;
  observed: ObservedPod;
  health(container: ObservedContainer): ContainerHealth;
  /** Resources that a running container has instead of those of `pod`. */
  resourcesBefore?(container: string): ResourceRequirements | undefined;
  /** Ids of containers that were killed to be started again, regardless of the exit code. */
  restarting?: ReadonlySet<string>;
}

export interface StartAction {
  kind: ContainerKind;
  container: Container;
  /** The restart count of the new container. */
  attempt: number;
  /** The previous container of this name; the back-off starts at its end. */
  after: ObservedContainer | undefined;
}

/** Cause of a kill; it may determine the grace period. */
export type KillCause =
  | "definition-changed"
  | "resize"
  | "liveness-probe"
  | "startup-probe"
  | "restart-all"
  | "unknown-state";

export interface KillAction {
  observed: ObservedContainer;
  container: Container;
  cause: KillCause;
  /** Message of the Killing event: `failed liveness probe, will be restarted`. */
  message: string;
}

/** Actions for a pod. Applying and planning repeatedly reaches an empty plan. */
export interface PodPlan {
  /** Stop the sandbox and its containers: it is to be created again, or the pod has ended. */
  stop: boolean;
  /** Attempt of the sandbox to create. */
  createSandbox: number | undefined;
  kill: KillAction[];
  start: StartAction[];
}

/**
 * Whether a container that is killed for this cause is started again, regardless of the exit code:
 * one that ends well after SIGTERM has not done its work.
 */
export function restartsAfterKill(pod: Pod, container: Container, cause: KillCause): boolean {
  const always: KillCause[] = ["definition-changed", "resize", "restart-all"];
  return always.includes(cause) || !neverRestarts(pod, container);
}

/**
 * Returns the kill of a running container; undefined when it may run. Of several reasons the first
 * counts; the messages are upstream's, `Container NAME` and: `definition changed, will be
 * restarted`; `resize requires restart`; `failed liveness probe` or `failed startup probe`, with
 * `, will be restarted` unless the policy is Never and it is no sidecar.
 */
export function killOfRunning(
  input: PlanInput,
  container: Container,
  observed: ObservedContainer,
): KillAction | undefined {
  // lab:11 begin kill-of-running
  const { name } = container;
  const again = !neverRestarts(input.pod, container);
  const ending = again ? ", will be restarted" : "";
  const kill = (cause: KillCause, what: string) => ({
    observed,
    container,
    cause,
    message: `Container ${name} ${what}`,
  });
  if (observed.hash !== containerHash(container)) {
    return kill("definition-changed", "definition changed, will be restarted");
  }
  const before = input.resourcesBefore?.(name);
  if (before && needsRestart(input.pod, container, before)) {
    return kill("resize", "resize requires restart");
  }
  const { failed } = input.health(observed);
  if (failed === "Liveness") return kill("liveness-probe", `failed liveness probe${ending}`);
  if (failed === "Startup") return kill("startup-probe", `failed startup probe${ending}`);
  return undefined;
  // lab:11 end
}
