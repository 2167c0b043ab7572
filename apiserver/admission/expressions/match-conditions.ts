import type {
  FailurePolicyType,
  MatchCondition,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import { CompiledLater } from "@raft2kube/cel/budget.ts";
import { isError } from "@raft2kube/cel/value.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import type { WebhookMetrics } from "../../metrics/webhooks.ts";
import { compiler, type Expression } from "./environment.ts";
import { BudgetError, type Evaluation } from "./evaluation.ts";

/** Whether conditions hold; `error` when that is not known and the failure policy is Fail. */
export type MatchResult = { readonly matches: boolean; readonly error?: string };

/** The conditions of a webhook or policy, which must all hold. Compiled when first evaluated. */
export class MatchConditions {
  readonly isEmpty: boolean;
  readonly #expressions: CompiledLater<readonly Expression[]>;

  constructor(conditions: readonly MatchCondition[] = [], params = false) {
    this.isEmpty = conditions.length === 0;
    this.#expressions = new CompiledLater(() => {
      const compile = compiler({ params, authorizer: true });
      return conditions.map(({ expression }) => compile(expression));
    });
  }

  async match(
    evaluation: Evaluation,
    failurePolicy: FailurePolicyType | undefined,
    measured: { metrics: WebhookMetrics; labels: Parameters<WebhookMetrics["excluded"]>[0] },
  ): Promise<MatchResult> {
    const errors: string[] = [];
    for (const expression of this.#expressions.get(evaluation.compilesQuickly)) {
      try {
        const value = await evaluation.evaluate(expression);
        if (isError(value)) errors.push(value.message);
        // One condition that does not hold decides, even if others have errors.
        else if (value !== true) return { matches: false };
      } catch (thrown) {
        if (!(thrown instanceof BudgetError)) throw thrown;
        errors.splice(0, errors.length, thrown.message);
        break;
      }
    }
    if (errors.length === 0) return { matches: true };
    measured.metrics.conditionFailed(measured.labels);
    if (failurePolicy === "Ignore") return { matches: false };
    return { matches: false, error: aggregateOf(errors) };
  }
}
