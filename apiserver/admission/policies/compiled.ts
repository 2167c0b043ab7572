import type {
  AuditAnnotation,
  FailurePolicyType,
  MatchCondition,
  MatchResources,
  Mutation,
  ParamKind,
  Validation,
  Variable,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { CompiledLater } from "@raft2kube/cel/budget.ts";
import { DYN, type Type } from "@raft2kube/cel/types.ts";
import { compiler, type Expression } from "../expressions/environment.ts";
import type { PolicyVariable } from "../expressions/evaluation.ts";
import { MatchConditions } from "../expressions/match-conditions.ts";

/** The members that policies of both kinds have, and those of one. */
export interface PolicySpec {
  readonly paramKind?: ParamKind;
  readonly matchConstraints?: MatchResources;
  readonly matchConditions?: MatchCondition[];
  readonly variables?: Variable[];
  readonly failurePolicy?: FailurePolicyType;
  readonly validations?: Validation[];
  readonly auditAnnotations?: AuditAnnotation[];
  readonly mutations?: Mutation[];
  readonly reinvocationPolicy?: string;
}

interface CompiledValidation {
  readonly validation: Validation;
  readonly expression: Expression;
  readonly message: Expression | undefined;
}

/** The expressions of a policy. */
export interface Expressions {
  readonly variables: readonly PolicyVariable[];
  readonly validations: readonly CompiledValidation[];
  readonly annotations: readonly { readonly key: string; readonly expression: Expression }[];
  readonly mutations: readonly { readonly mutation: Mutation; readonly expression: Expression }[];
}

/** A policy whose expressions are compiled when a request first needs them. */
export class CompiledPolicy {
  readonly name: string;
  readonly spec: PolicySpec;
  readonly conditions: MatchConditions;
  readonly #expressions = new CompiledLater(() => this.#compile());

  constructor(policy: KubeObject & { spec: PolicySpec }) {
    this.name = policy.metadata.name ?? "";
    this.spec = policy.spec;
    this.conditions = new MatchConditions(
      this.spec.matchConditions,
      this.spec.paramKind !== undefined,
    );
  }

  /** Throws StepsExceededError with `quickly`, as on the event loop, where compiling takes long. */
  expressions(quickly: boolean): Expressions {
    return this.#expressions.get(quickly);
  }

  #compile(): Expressions {
    const { validations = [], auditAnnotations = [], mutations = [] } = this.spec;
    const params = this.spec.paramKind !== undefined;
    const types: Record<string, Type> = {};
    const variables = (this.spec.variables ?? []).map(({ name, expression: text }) => {
      const expression = compiler({ params, authorizer: true, variables: types })(text);
      types[name] = expression.program?.type ?? DYN;
      return { name, expression };
    });
    const compile = compiler({ params, authorizer: true, variables: types });
    const describe = compiler({ params, authorizer: false, variables: types });
    const change = compiler({ params, authorizer: true, variables: types, patches: true });
    return {
      variables,
      validations: validations.map((validation) => ({
        validation,
        expression: compile(validation.expression),
        message: validation.messageExpression ? describe(validation.messageExpression) : undefined,
      })),
      annotations: auditAnnotations.map(({ key, valueExpression }) => ({
        key,
        expression: compile(valueExpression),
      })),
      mutations: mutations.map((mutation) => ({
        mutation,
        expression: change(
          mutation.applyConfiguration?.expression ?? mutation.jsonPatch?.expression ?? "",
        ),
      })),
    };
  }
}
