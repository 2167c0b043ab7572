import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { fromJson } from "@raft2kube/cel/json.ts";
import { Authorization } from "@raft2kube/cel/libraries/authz.ts";
import type { Spent, Variables } from "@raft2kube/cel/state.ts";
import { DYN } from "@raft2kube/cel/types.ts";
import { ErrorValue, isError, type Outcome } from "@raft2kube/cel/value.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import {
  AUTHENTICATED_GROUP,
  serviceAccountGroups,
  serviceAccountName,
} from "../../authn/identities.ts";
import { aboutResource, selectorsIn } from "../../authz/attributes.ts";
import type { Authorizer } from "../../authz/authorizer.ts";
import { EXPRESSION_COST_MAX, EXPRESSION_STEPS_MAX } from "../../limits.ts";
import type { Versioned } from "../matching/versions.ts";
import type { AdmissionRequest } from "../plugin.ts";
import { type Shown, shownRequest } from "../shown-request.ts";
import { type Expression, NAMESPACE, PROVIDER, REQUEST } from "./environment.ts";

/** The expressions of a request have cost more than they may together (upstream's words). */
export class BudgetError extends CodedError {
  constructor() {
    super(
      "CEL_BUDGET",
      "validation failed due to running out of cost budget, " +
        "no further validation rules will be run",
    );
  }
}

export type PolicyVariable = { readonly name: string; readonly expression: Expression };

export interface Inputs {
  readonly request: AdmissionRequest;
  readonly shown: Shown;
  readonly objects: Versioned;
  readonly namespace: Readonly<KubeObject> | undefined;
  /** The object with a policy's parameters; null for none, undefined without `params`. */
  readonly params?: Readonly<KubeObject> | null;
  readonly variables?: readonly PolicyVariable[];
}

/**
 * Evaluates expressions about one request within a budget of cost. All of one request on the event
 * loop, of all policies and webhooks, have `steps_max` together.
 */
export class Evaluation {
  /** Whether what takes long to compile is for a thread, in which the request is repeated. */
  readonly compilesQuickly: boolean;
  readonly #authorization: Authorization;
  readonly #variables: Variables;
  readonly #computed = new Map<string, Outcome>();
  readonly #spent: Spent;
  readonly #steps_max: number | undefined;
  #left: number;

  constructor(
    { authorizer, steps_max }: { authorizer: Authorizer; steps_max?: number | undefined },
    inputs: Inputs,
    costMax: number,
  ) {
    const { request, shown, objects, namespace, params, variables = [] } = inputs;
    this.#left = costMax;
    this.#spent = request.spent;
    this.#steps_max = steps_max;
    this.compilesQuickly = steps_max !== undefined && request.operation !== "CONNECT";
    this.#authorization = authorizationOf(authorizer, request.user);
    const { resource, subresource, namespace: place, name } = shown.matched;
    const lazily = (each: unknown) => () => fromJson(each ?? null, DYN);
    this.#variables = {
      object: lazily(objects.object),
      oldObject: lazily(objects.old),
      request: () => fromJson(shownRequest(shown, request), REQUEST, PROVIDER),
      namespaceObject: () => fromJson(namespace ?? null, NAMESPACE, PROVIDER),
      ...(params !== undefined && { params: lazily(params) }),
      authorizer: this.#authorization.authorizer,
      "authorizer.requestResource": this.#authorization.requestResource({
        group: resource.group,
        resource: resource.resource,
        namespace: place,
        name,
        subresource,
      }),
      ...Object.fromEntries(
        variables.map((each) => [`variables.${each.name}`, () => this.#variable(each)]),
      ),
    };
  }

  /**
   * The value of an expression, or its error in upstream's words. Throws BudgetError, and on the
   * event loop StepsExceededError, by which no failure policy is asked: the request is repeated.
   */
  async evaluate(expression: Expression): Promise<Outcome> {
    const outcome = await this.#authorization.run(() => this.#run(expression));
    if (!isError(outcome) || expression.error !== undefined) return outcome;
    const { message } = outcome;
    return new ErrorValue(`expression '${expression.text}' resulted in error: ${message}`);
  }

  #run({ program, error = "" }: Expression): Outcome {
    if (program === undefined) return new ErrorValue(`compilation error: ${error}`);
    try {
      const { value, cost } = program.evaluate(this.#variables, {
        costMax: EXPRESSION_COST_MAX,
        ...(this.#steps_max === undefined
          ? { stepsMax: EXPRESSION_STEPS_MAX }
          : { stepsMax: this.#steps_max, spent: this.#spent }),
      });
      this.#left -= cost;
      if (this.#left < 0) throw new BudgetError();
      return value;
    } catch (thrown) {
      const isFinal = this.#steps_max === undefined;
      throw thrown instanceof StepsExceededError && isFinal ? new BudgetError() : thrown;
    }
  }

  /** Variables are evaluated when they are first read, once for all expressions. */
  #variable({ name, expression }: PolicyVariable): Outcome {
    const known = this.#computed.get(name);
    if (known !== undefined) return known;
    const value = this.#run(expression);
    const fails = expression.error === undefined ? "evaluate" : "compile";
    const outcome = isError(value)
      ? new ErrorValue(`composited variable "${name}" fails to ${fails}: ${value.message}`)
      : value;
    this.#computed.set(name, outcome);
    return outcome;
  }
}

function accountUser(namespace: string, name: string): RequestUser {
  const groups = [...serviceAccountGroups(namespace), AUTHENTICATED_GROUP];
  return { name: serviceAccountName(namespace, name), groups };
}

function authorizationOf(authorizer: Authorizer, asking: RequestUser): Authorization {
  return new Authorization(async (question) => {
    const { serviceAccount, ...asked } = question;
    const user =
      serviceAccount === undefined
        ? asking
        : accountUser(serviceAccount.namespace, serviceAccount.name);
    const named = { user, version: "*", resourceRequest: !asked.path, ...asked };
    const attributes = aboutResource({ ...named, ...selectorsIn(asked) });
    const { verdict, reason } = await authorizer.decide(attributes);
    return { allowed: verdict === "allow", reason };
  });
}
