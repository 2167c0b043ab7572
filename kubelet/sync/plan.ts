import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { latest, type ObservedPod } from "../cri/observed.ts";
import { containersOf } from "../pods/pod-identity.ts";
import { restartsAfter } from "../pods/restart-policy.ts";
import { killOfRunning, type PlanInput, type PodPlan } from "./plan-actions.ts";
import { planInit } from "./plan-init.ts";

/**
 * Plans the next actions of a pod that should run. The order is upstream's: sandbox, ephemeral
 * containers, init containers one by one (sidecars keep running), then the regular ones together.
 * Pure.
 */
export function planPod(input: PlanInput): PodPlan {
  // lab:11 begin plan-pod
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
  // lab:11 end
}

function usableSandbox(pod: Pod, observed: ObservedPod): boolean {
  const [sandbox] = observed.sandboxes;
  if (!sandbox?.ready || observed.sandboxes.filter((one) => one.ready).length > 1) return false;
  const hostNetwork = pod.spec.hostNetwork ?? false;
  return sandbox.hostNetwork === hostNetwork && (hostNetwork || sandbox.ips.length > 0);
}

/**
 * Plans the next sandbox, after the stop of the one before; its attempt follows the newest one's.
 * Stops the pod instead, with Never once a container was created, though not started, or if all
 * regular containers have exited and none is to be started again.
 */
function planNewSandbox(input: PlanInput, plan: PodPlan): PodPlan {
  // lab:11 begin plan-new-sandbox
  const { pod, observed, restarting } = input;
  const [sandbox] = observed.sandboxes;
  const attempt = sandbox ? sandbox.attempt + 1 : 0;
  const never = pod.spec.restartPolicy === "Never";
  if (never && observed.containers.length > 0) return { ...plan, stop: true };
  const wanted = (pod.spec.containers ?? []).filter((container) => {
    const last = latest(observed, container.name);
    if (last?.state !== "exited" || restarting?.has(last.id)) return true;
    return restartsAfter(pod, container, last.exitCode);
  });
  if (wanted.length === 0) return { ...plan, stop: true };
  return { ...plan, stop: sandbox !== undefined, createSandbox: attempt };
  // lab:11 end
}

function planEphemeral({ pod, observed }: PlanInput, plan: PodPlan): void {
  for (const { kind, container } of containersOf(pod)) {
    if (kind !== "ephemeral" || latest(observed, container.name)) continue;
    plan.start.push({ kind, container, attempt: 0, after: undefined });
  }
}

/**
 * Adds the actions of the regular containers. One in an unknown state is killed, and started by the
 * next plan. Returns false when none runs or will be started.
 */
function planRegular(input: PlanInput, plan: PodPlan): boolean {
  // lab:11 begin plan-regular
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
    if (last?.state === "exited" && !input.restarting?.has(last.id)) {
      if (!restartsAfter(pod, container, last.exitCode)) continue;
    }
    alive = true;
    if (last?.state === "unknown") {
      const message = 'Container is in "unknown" state, try killing it before restart';
      plan.kill.push({ observed: last, container, cause: "unknown-state", message });
      continue;
    }
    const attempt = last ? last.attempt + 1 : 0;
    plan.start.push({ kind: "regular", container, attempt, after: last });
  }
  return alive;
  // lab:11 end
}
