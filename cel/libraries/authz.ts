/**
 * Authorization checks: `authorizer.group("").resource("pods").check("create").allowed()`.
 * Authorizers may have to ask a webhook, while evaluation is synchronous: a check whose decision is
 * not known yet interrupts the evaluation, which is repeated when the decision is there. The cost
 * of a check allows for two or three in an expression.
 */
import { dnsLabel, dnsSubdomain } from "@raft2kube/std/names.ts";
import type { Library, Overload } from "../library.ts";
import { BOOL, objectType, STRING, type Type } from "../types.ts";
import { ErrorValue, OpaqueValue, type Outcome, type Value } from "../value.ts";
import { functions, method } from "./declare.ts";

export const AUTHORIZER = objectType("kubernetes.authorization.Authorizer");
const PATH_CHECK = objectType("kubernetes.authorization.PathCheck");
const GROUP_CHECK = objectType("kubernetes.authorization.GroupCheck");
export const RESOURCE_CHECK = objectType("kubernetes.authorization.ResourceCheck");
const DECISION = objectType("kubernetes.authorization.Decision");

/** A question to the authorizer, about a resource unless it has a `path`. */
export interface AccessQuestion {
  /** The service account that is asked about; undefined: the user of the request. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly verb: string;
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface AccessDecision {
  readonly allowed: boolean;
  readonly reason: string;
  /** Why the check failed, if it did. */
  readonly error?: string;
}

/** Interrupts an evaluation that needs a decision. */
class DecisionNeeded extends Error {
  override readonly name = "DecisionNeeded";
  readonly question: AccessQuestion;

  constructor(question: AccessQuestion) {
    super("an authorization check has to be made first");
    this.question = question;
  }
}

type Part = Omit<AccessQuestion, "verb">;

/** An authorizer, or a check that is being put together. */
class CheckValue extends OpaqueValue {
  readonly type: Type;
  readonly part: Part;
  readonly authorization: Authorization;

  constructor(type: Type, part: Part, authorization: Authorization) {
    super();
    this.type = type;
    this.part = part;
    this.authorization = authorization;
  }

  with(part: Part, type = this.type): CheckValue {
    return new CheckValue(type, { ...this.part, ...part }, this.authorization);
  }

  override equals(other: Value): boolean {
    return (
      other instanceof CheckValue &&
      other.type.is(this.type) &&
      other.authorization === this.authorization &&
      keyOf(other.part) === keyOf(this.part)
    );
  }
}

class DecisionValue extends OpaqueValue {
  readonly type = DECISION;
  readonly decision: AccessDecision;

  constructor(decision: AccessDecision) {
    super();
    this.decision = decision;
  }

  override equals(other: Value): boolean {
    return other instanceof DecisionValue && other.decision === this.decision;
  }
}

function keyOf(part: Part | AccessQuestion): string {
  return JSON.stringify(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The `authorizer` of one request: values of variables, and evaluation with its decisions. */
export class Authorization {
  readonly #decide: (question: AccessQuestion) => Promise<AccessDecision>;
  readonly #decisions = new Map<string, AccessDecision>();
  readonly authorizer: Value = new CheckValue(AUTHORIZER, {}, this);

  constructor(decide: (question: AccessQuestion) => Promise<AccessDecision>) {
    this.#decide = decide;
  }

  /** The value of `authorizer.requestResource`. */
  requestResource(part: Part): Value {
    return new CheckValue(RESOURCE_CHECK, part, this);
  }

  /** The decision about a question; interrupts the evaluation when it has not been made yet. */
  decisionOf(question: AccessQuestion): AccessDecision {
    const decision = this.#decisions.get(keyOf(question));
    if (decision === undefined) throw new DecisionNeeded(question);
    return decision;
  }

  /** Runs a synchronous evaluation as often as it asks for decisions. */
  async run<T>(evaluate: () => T): Promise<T> {
    for (;;) {
      try {
        return evaluate();
      } catch (thrown) {
        if (!(thrown instanceof DecisionNeeded)) throw thrown;
        this.#decisions.set(keyOf(thrown.question), await this.#decide(thrown.question));
      }
    }
  }
}

function pathCheck(authorizer: CheckValue, path: string): Outcome {
  if (path.trim() === "") return new ErrorValue("path must not be empty");
  return authorizer.with({ path }, PATH_CHECK);
}

function serviceAccount(authorizer: CheckValue, namespace: string, name: string): Outcome {
  if (dnsSubdomain(name).length > 0) return new ErrorValue("Invalid service account name");
  if (dnsLabel(namespace).length > 0) return new ErrorValue("Invalid service account namespace");
  return authorizer.with({ serviceAccount: { namespace, name } });
}

function resourceCheck(group: CheckValue, resource: string): Outcome {
  if (resource.trim() === "") return new ErrorValue("resource must not be empty");
  return group.with({ resource }, RESOURCE_CHECK);
}

/** A method that adds a property to the check of a resource. */
function refine(id: string, property: keyof Part): Overload {
  return method(id, [RESOURCE_CHECK, STRING], RESOURCE_CHECK, (check: CheckValue, text: string) =>
    check.with({ [property]: text }),
  );
}

function check({ part, authorization }: CheckValue, verb: string): Outcome {
  return new DecisionValue(authorization.decisionOf({ ...part, verb }));
}

/** Steps of a check: its decision is there, so that it takes none beside its cost. */
const IMMEDIATE = { steps: () => 0 };

function about(id: string, type: Type, read: (decision: AccessDecision) => Outcome): Overload {
  return method(id, [DECISION], type, ({ decision }: DecisionValue) => read(decision));
}

export const authzLibrary: Library = {
  name: "kubernetes.authz",
  types: [AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION],
  functions: functions({
    path: [method("authorizer_path", [AUTHORIZER, STRING], PATH_CHECK, pathCheck)],
    group: [
      method(
        "authorizer_group",
        [AUTHORIZER, STRING],
        GROUP_CHECK,
        (authorizer: CheckValue, group: string) => authorizer.with({ group }, GROUP_CHECK),
      ),
    ],
    serviceAccount: [
      method("authorizer_serviceaccount", [AUTHORIZER, STRING, STRING], AUTHORIZER, serviceAccount),
    ],
    resource: [method("groupcheck_resource", [GROUP_CHECK, STRING], RESOURCE_CHECK, resourceCheck)],
    subresource: [refine("resourcecheck_subresource", "subresource")],
    namespace: [refine("resourcecheck_namespace", "namespace")],
    name: [refine("resourcecheck_name", "name")],
    fieldSelector: [refine("authorizer_fieldselector", "fieldSelector")],
    labelSelector: [refine("authorizer_labelselector", "labelSelector")],
    check: [
      method("pathcheck_check", [PATH_CHECK, STRING], DECISION, check, IMMEDIATE),
      method("resourcecheck_check", [RESOURCE_CHECK, STRING], DECISION, check, IMMEDIATE),
    ],
    allowed: [about("decision_allowed", BOOL, ({ allowed }) => allowed)],
    reason: [about("decision_reason", STRING, ({ reason }) => reason)],
    errored: [about("decision_errored", BOOL, ({ error }) => error !== undefined)],
    error: [about("decision_error", STRING, ({ error = "" }) => error)],
  }),
};
