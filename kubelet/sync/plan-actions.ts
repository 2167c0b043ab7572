import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { ContainerKind } from "../pods/pod-identity.ts";
import type { ContainerHealth } from "../probes/probe-state.ts";

export interface PlanInput {
  pod: Pod;
  observed: ObservedPod;
  health(container: ObservedContainer): ContainerHealth;
}

export interface StartAction {
  kind: ContainerKind;
  container: Container;
  /** The restart count of the new container. */
  attempt: number;
  /** The container it follows, whose end begins the back-off. */
  after: ObservedContainer | undefined;
}

/** Why a container has to end; it may choose the grace period. */
export type KillCause = "definition-changed" | "liveness-probe" | "startup-probe" | "unknown-state";

export interface KillAction {
  observed: ObservedContainer;
  container: Container;
  cause: KillCause;
  /** For the Killing event: `failed liveness probe, will be restarted`. */
  message: string;
}

/** What is to be done for a pod now; applying it and planning again comes to rest. */
export interface PodPlan {
  /** The sandbox and all in it stop: to be made anew, or because the pod has ended. */
  stop: boolean;
  /** A sandbox is made, with this attempt. */
  createSandbox: number | undefined;
  kill: KillAction[];
  start: StartAction[];
}

/** Whether the restart policy wants a container again after it ended. */
export function restartsAfter(pod: Pod, exitCode: number): boolean {
  const policy = pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

/** Whether and why a running container has to end, in the words of upstream's Killing event. */
export function killOfRunning(
  input: PlanInput,
  container: Container,
  observed: ObservedContainer,
): KillAction | undefined {
  const { name } = container;
  const again = input.pod.spec.restartPolicy !== "Never" || container.restartPolicy === "Always";
  const ending = again ? ", will be restarted" : "";
  const kill = (cause: KillCause, what: string) =>
    ({ observed, container, cause, message: `Container ${name} ${what}` });
  if (observed.hash !== containerHash(container)) {
    return kill("definition-changed", "definition changed, will be restarted");
  }
  const { failed } = input.health(observed);
  if (failed === "Liveness") return kill("liveness-probe", `failed liveness probe${ending}`);
  if (failed === "Startup") return kill("startup-probe", `failed startup probe${ending}`);
  return undefined;
}
