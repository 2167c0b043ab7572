import type { Container, ContainerRestartRule, Pod } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Whether a container is started again after this exit code: one of its rules has it, or else its
 * own policy or the pod's wants it. Source: KEP-5307.
 */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (container.restartPolicyRules?.some((rule) => matches(rule, exitCode))) return true;
  // lab:11 begin restarts-after
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
  // lab:11 end
}

/** Whether an end by the kubelet's hand, of which no exit code is known yet, is the last one. */
export function neverRestarts(pod: Pod, container: Container): boolean {
  return (container.restartPolicy ?? pod.spec.restartPolicy) === "Never";
}

/** The only action of a rule is a restart. */
function matches({ exitCodes }: ContainerRestartRule, exitCode: number): boolean {
  const { operator, values = [] } = exitCodes ?? {};
  return values.includes(exitCode) === (operator === "In");
}
