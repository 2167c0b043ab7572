import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { latest, mayRun, type ObservedContainer } from "../cri/observed.ts";
import { podRun } from "../cri/pod-run.ts";
import { containersOf } from "../pods/pod-identity.ts";
import { planPod } from "./plan.ts";
import type { KillAction, PlanInput, PodPlan } from "./plan-actions.ts";

/**
 * Plans the next actions of a pod as `planPod` does. Once a rule restarts all of its containers,
 * those that run are killed, then all are started as in a new pod, in the same sandbox. Pure.
 */
export function planRuns(input: PlanInput): PodPlan {
  const { pod, observed } = input;
  const { past } = podRun(pod, observed);
  const kill = past.filter(mayRun).map((one) => killOf(pod, one));
  if (kill.length > 0) return { stop: false, createSandbox: undefined, kill, start: [] };
  const containers = observed.containers.filter((one) => !past.includes(one));
  const plan = planPod({ ...input, observed: { ...observed, containers } });
  const start = plan.start.map((action) => {
    const last = latest(observed, action.container.name);
    if (last === undefined || !past.includes(last)) return action;
    return { ...action, attempt: last.attempt + 1, after: last };
  });
  return { ...plan, start };
}

function killOf(pod: Pod, observed: ObservedContainer): KillAction {
  const { container } = containersOf(pod).find((one) => one.container.name === observed.name)!;
  const message = `Container ${observed.name} will be restarted, with all of its pod`;
  return { observed, container, cause: "restart-all", message };
}
