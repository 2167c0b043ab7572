import type { Container } from "@raft2kube/api/gen/core/v1.ts";
import { latest, type ObservedContainer, type ObservedPod } from "../cri/observed.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";
import { restartsAfter } from "../pods/restart-policy.ts";
import type { KillAction, PlanInput, StartAction } from "./plan-actions.ts";
import { killOfRunning } from "./plan-actions.ts";

export interface InitPlan {
  start: StartAction[];
  kill: KillAction[];
  /**
   * Every init container has completed and every sidecar has started: the regular containers may
   * start.
   */
  initialized: boolean;
}

/** A step starts or kills, never both: the plan after a kill sees how the container ended. */
type Step = { start?: StartAction; kill?: KillAction; passed: boolean };

/**
 * Plans the init containers: each waits for the one before. A sidecar counts as completed when it
 * has started, and is restarted as long as the pod lives. `failed`: an init container failed and
 * is not restarted.
 */
export function planInit(input: PlanInput, sandboxId: string): InitPlan | "failed" {
  // lab:11 begin plan-init
  const { pod, observed } = input;
  const steps = pod.spec.initContainers ?? [];
  const plan: InitPlan = { start: [], kill: [], initialized: false };
  const past = passedBefore(input, sandboxId);
  for (const [index, container] of steps.entries()) {
    const last = latest(observed, container.name, sandboxId);
    const sidecar = isRestartableInit(container);
    if (!sidecar && index < past) continue;
    if (last?.state === "exited" && last.exitCode !== 0) {
      if (!restartsAfter(pod, container, last.exitCode)) return "failed";
    }
    const step = sidecar ? planSidecar(input, container, last) : planStep(input, container, last);
    if (step.start) plan.start.push(step.start);
    if (step.kill) plan.kill.push(step.kill);
    if (!step.passed && index >= past) return plan;
  }
  plan.initialized = true;
  return plan;
  // lab:11 end
}

/**
 * Returns the number of init containers that have completed, because a later container has started.
 */
function passedBefore({ pod, observed }: PlanInput, sandboxId: string): number {
  const steps = pod.spec.initContainers ?? [];
  const here = (container: Container) => latest(observed, container.name, sandboxId);
  if ((pod.spec.containers ?? []).some(here)) return steps.length;
  const last = steps.findLastIndex(here);
  return Math.max(0, last);
}

/**
 * An init container: only exit code 0 passes. One that runs is left alone, also when its image was
 * changed; one in an unknown state is killed, and started by the next plan.
 */
function planStep(
  input: PlanInput,
  container: Container,
  last: ObservedContainer | undefined,
): Step {
  // lab:11 begin plan-step
  switch (last?.state) {
    case "running":
      return { passed: false };
    case "exited":
      if (last.exitCode === 0) return { passed: true };
      return { passed: false, start: startOf(input.observed, container) };
    case "unknown":
      return { passed: false, kill: unknown(last, container) };
    case "created":
    case undefined:
      return { passed: false, start: startOf(input.observed, container) };
  }
  // lab:11 end
}

/** Passes while it runs, has started and is not killed; any end starts it again, by any policy. */
function planSidecar(
  input: PlanInput,
  container: Container,
  last: ObservedContainer | undefined,
): Step {
  // lab:11 begin plan-sidecar
  switch (last?.state) {
    case "running": {
      const kill = killOfRunning(input, container, last);
      if (kill) return { passed: false, kill };
      return { passed: input.health(last).started };
    }
    case "unknown":
      return { passed: false, kill: unknown(last, container) };
    case "exited":
    case "created":
    case undefined:
      return { passed: false, start: startOf(input.observed, container) };
  }
  // lab:11 end
}

/** The attempt counts the containers of this name in all sandboxes of the pod. */
function startOf(observed: ObservedPod, container: Container): StartAction {
  const last = latest(observed, container.name);
  return { kind: "init", container, attempt: last ? last.attempt + 1 : 0, after: last };
}

function unknown(observed: ObservedContainer, container: Container): KillAction {
  const message = 'Init container is in "unknown" state, try killing it before restart';
  return { observed, container, cause: "unknown-state", message };
}
