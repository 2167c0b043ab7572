import type { Container, ContainerRestartRule, PodSpec } from "../../../gen/core/v1.ts";

type Rules = Pick<Container, "restartPolicyRules">;

/** Returns the rule for an exit code, the first that has it; both actions restart the container. */
export function restartRule(
  { restartPolicyRules: rules = [] }: Rules,
  exitCode: number,
): ContainerRestartRule | undefined {
  return rules.find(({ exitCodes: { operator, values = [] } = { operator: "" } }) => {
    return operator !== "" && values.includes(exitCode) === (operator === "In");
  });
}

/** Whether a rule of some container restarts all of the pod's, also those that have succeeded. */
export function mayRestartAll({ initContainers = [], containers }: PodSpec): boolean {
  return [...initContainers, ...containers].some(({ restartPolicyRules: rules = [] }) =>
    rules.some(({ action }) => action === "RestartAllContainers"),
  );
}
