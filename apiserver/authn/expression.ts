import type { Place } from "@raft2kube/apimachinery/config-file.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import { BOOL } from "@raft2kube/cel/types.ts";
import { ErrorValue, isError, type Outcome } from "@raft2kube/cel/value.ts";
import { EXPRESSION_COST_MAX } from "../limits.ts";

const GROUP = "apiserver.config.k8s.io";
/** The versions of configurations of access. */
export const CONFIG_VERSIONS: readonly string[] = ["v1", "v1beta1", "v1alpha1"].map(
  (version) => `${GROUP}/${version}`,
);

/**
 * Compiles an expression of a configuration of access, which is true or false if it `isRule`;
 * `refuse` gets why it cannot be used.
 */
export function compileExpression(
  scope: Environment,
  text: string,
  isRule: boolean,
  refuse: (why: string) => never,
): Program {
  const { program, errors } = scope.compile(text);
  if (program === undefined) return refuse(`compilation failed: ${errors.message}`);
  if (isRule && program.type !== BOOL) return refuse("must evaluate to bool");
  return program;
}

/** Compiles the expression in a field of a configuration file. Throws ConfigFileError. */
export function expressionIn(
  at: Place,
  field: string,
  text: string | undefined,
  scope: Environment,
  isRule = false,
): Program {
  const refuse = (why: string) => at.refuse(field, why);
  return compileExpression(scope, at.text(field, text), isRule, refuse);
}

/** Evaluates one expression within the cost of one (upstream's per-call limit). */
export function evaluateExpression(program: Program, variables: Variables): Outcome {
  const failed = (why: string) =>
    new ErrorValue(`expression '${program.text}' resulted in error: ${why}`);
  try {
    const { value } = program.evaluate(variables, { costMax: EXPRESSION_COST_MAX });
    return isError(value) ? failed(value.message) : value;
  } catch (thrown) {
    // It would hold the event loop: the request is refused.
    if (thrown instanceof StepsExceededError) return failed(thrown.message);
    throw thrown;
  }
}
