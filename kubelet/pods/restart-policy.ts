import { restartRule } from "@raft2kube/api/core/v1/pod/restart-rules.ts";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Whether a container is started again after this exit code: one of its rules has it, or else its
 * own policy or the pod's wants it. Source: KEP-5307.
 */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (restartRule(container, exitCode)) return true;
  // lab:11 begin restarts-after
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
  // lab:11 end
}

/** Whether an end by the kubelet's hand, of which no exit code is known yet, is the last one. */
export function neverRestarts(pod: Pod, container: Container): boolean {
  return (container.restartPolicy ?? pod.spec.restartPolicy) === "Never";
}

/** Whether a container's end restarts all of its pod's: the rule for its code says so. */
export function restartsAll(container: Container, exitCode: number): boolean {
  return restartRule(container, exitCode)?.action === "RestartAllContainers";
}
