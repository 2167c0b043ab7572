import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "../containers/container-hash.ts";
import { type ContainerKind, containersOf } from "../pods/pod-identity.ts";
import { latest, type ObservedContainer, type ObservedPod } from "../cri/observed.ts";
import { planInit } from "./plan-init.ts";

/** What a probe says of one running container. */
export interface ContainerHealth {
  /** The startup probe has passed, or there is none. */
  started: boolean;
  /** The probe that failed past its threshold. */
  failed: "Liveness" | "Startup" | undefined;
}

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

/**
 * Decides what a pod that should run needs next. The order is upstream's: sandbox, ephemeral
 * containers, init containers one by one (sidecars stay), then the regular ones together.
 */
export function planPod(input: PlanInput): PodPlan {
  const { pod, observed } = input;
  const plan: PodPlan = { stop: false, createSandbox: undefined, kill: [], start: [] };
  const sandbox = observed.sandboxes[0];
  if (!usableSandbox(pod, observed)) return planNewSandbox(input, plan);
  const sandboxId = sandbox?.id ?? "";
  planEphemeral(input, plan);
  const init = planInit(input, sandboxId);
  if (init === "failed") return { ...plan, stop: true, start: [] };
  plan.start.push(...init.start);
  plan.kill.push(...init.kill);
  if (!init.initialized) return plan;
  const alive = planRegular(input, plan);
  if (!alive) return { ...plan, stop: true, start: [], kill: [] };
  return plan;
}

/** Whether the restart policy wants a container again after it ended. */
export function restartsAfter(pod: Pod, exitCode: number): boolean {
  const policy = pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

function usableSandbox(pod: Pod, observed: ObservedPod): boolean {
  const [sandbox] = observed.sandboxes;
  if (!sandbox?.ready || observed.sandboxes.filter((one) => one.ready).length > 1) return false;
  const hostNetwork = pod.spec.hostNetwork ?? false;
  return sandbox.hostNetwork === hostNetwork && (hostNetwork || sandbox.ips.length > 0);
}

function planNewSandbox({ pod, observed }: PlanInput, plan: PodPlan): PodPlan {
  const [sandbox] = observed.sandboxes;
  const attempt = sandbox ? sandbox.attempt + 1 : 0;
  const never = pod.spec.restartPolicy === "Never";
  if (never && attempt > 0 && observed.containers.length > 0) return { ...plan, stop: true };
  const wanted = (pod.spec.containers ?? []).filter((container) => {
    const last = latest(observed, container.name);
    return last?.state !== "exited" || restartsAfter(pod, last.exitCode);
  });
  if (wanted.length === 0) return { ...plan, stop: true };
  return { ...plan, stop: sandbox !== undefined, createSandbox: attempt };
}

function planEphemeral({ pod, observed }: PlanInput, plan: PodPlan): void {
  for (const { kind, container } of containersOf(pod)) {
    if (kind !== "ephemeral" || latest(observed, container.name)) continue;
    plan.start.push({ kind, container, attempt: 0, after: undefined });
  }
}

/** Adds what the regular containers need; false when none runs, and none will. */
function planRegular(input: PlanInput, plan: PodPlan): boolean {
  const { pod, observed } = input;
  let alive = false;
  for (const container of pod.spec.containers ?? []) {
    const last = latest(observed, container.name);
    if (last?.state === "running") {
      const kill = killOfRunning(input, container, last);
      if (kill) plan.kill.push(kill);
      alive = true;
      continue;
    }
    if (last && last.state === "exited" && !restartsAfter(pod, last.exitCode)) continue;
    alive = true;
    if (last?.state === "unknown") {
      const message = "Container is in unknown state, try killing it before restart";
      plan.kill.push({ observed: last, container, cause: "unknown-state", message });
      continue;
    }
    const attempt = last ? last.attempt + 1 : 0;
    plan.start.push({ kind: "regular", container, attempt, after: last });
  }
  return alive;
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
