import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { unescapeName } from "@raft2kube/cel/field-names.ts";
import { fromJson } from "@raft2kube/cel/json.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import { objectTypes } from "@raft2kube/cel/objects.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import {
  BOOL, DYN, listOf, mapOf, objectType, STRING, type Type,
} from "@raft2kube/cel/types.ts";
import { ErrorValue, isError, ListValue, MapValue, type Outcome, type Value } from "@raft2kube/cel/value.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { EXPRESSION_COST_MAX } from "../../limits.ts";

/** An expression about claims, or about the user that they give. */
export interface JwtExpression {
  readonly text: string;
  readonly program: Program;
}

const USER = objectType("kubernetes.UserInfo");
const TEXTS = listOf(STRING);
const USER_FIELDS = objectTypes({
  [USER.name]: { username: STRING, uid: STRING, groups: TEXTS, extra: mapOf(STRING, TEXTS) },
});

const CLAIMS_SCOPE: Environment = KUBERNETES.extend({ variables: { claims: mapOf(STRING, DYN) } });
const USER_SCOPE: Environment =
  KUBERNETES.extend({ variables: { user: USER }, provider: USER_FIELDS });

/** The result that an expression must have: texts (a string or a list), a text, or a bool. */
export type Wanted = "texts" | "text" | "bool";

/** Compiles an expression about `claims`; `refuse` gets why it cannot be used. */
export function claimsExpression(
  text: string, wanted: Wanted, refuse: (why: string) => never,
): JwtExpression {
  return compiled(CLAIMS_SCOPE, text, wanted, refuse);
}

/** Compiles a rule about `user`. */
export function userExpression(text: string, refuse: (why: string) => never): JwtExpression {
  return compiled(USER_SCOPE, text, "bool", refuse);
}

function compiled(
  scope: Environment, text: string, wanted: Wanted, refuse: (why: string) => never,
): JwtExpression {
  const { program, errors } = scope.compile(text);
  if (program === undefined) return refuse(`compilation failed: ${errors.message}`);
  // Upstream takes any type for mappings, and looks at the value.
  if (wanted === "bool" && program.type !== BOOL) return refuse("must evaluate to bool");
  return { text, program };
}

/** Evaluates one expression within the cost of one (upstream's per-call limit). */
export function evaluate({ program, text }: JwtExpression, variables: Variables): Outcome {
  const failed = (why: string) =>
    new ErrorValue(`expression '${text}' resulted in error: ${why}`);
  try {
    const { value } = program.evaluate(variables, { costMax: EXPRESSION_COST_MAX });
    return isError(value) ? failed(value.message) : value;
  } catch (thrown) {
    // It would hold the event loop: the token is refused.
    if (thrown instanceof StepsExceededError) return failed(thrown.message);
    throw thrown;
  }
}

/** The variable `claims`; numbers are doubles, as Go decodes them. */
export const claimsVariables = (claims: Readonly<Record<string, unknown>>): Variables =>
  ({ claims: claimValue(claims) });

/** The variable `user`. */
export function userVariables({ name, uid = "", groups, extra = {} }: RequestUser): Variables {
  return { user: fromJson({ username: name, uid, groups, extra }, USER, USER_FIELDS) };
}

function claimValue(json: unknown): Value {
  if (typeof json === "number" || typeof json === "bigint") return Number(json);
  if (Array.isArray(json)) return new ClaimList(json);
  return typeof json === "object" && json !== null
    ? new ClaimMap(json as Record<string, unknown>) : fromJson(json, DYN);
}

class ClaimList extends ListValue {
  override readonly type: Type = listOf(DYN);
  readonly #json: readonly unknown[];

  constructor(json: readonly unknown[]) {
    super();
    this.#json = json;
  }

  override get size(): number {
    return this.#json.length;
  }

  override at(index: number): Value {
    return claimValue(this.#json[index]);
  }
}

/** Claims by their names, which an expression may have to escape: `claims.foo__dot__bar`. */
class ClaimMap extends MapValue {
  override readonly type: Type = mapOf(STRING, DYN);
  readonly #json: Readonly<Record<string, unknown>>;

  constructor(json: Readonly<Record<string, unknown>>) {
    super();
    this.#json = json;
  }

  override get size(): number {
    return Object.keys(this.#json).length;
  }

  override get(key: Value): Value | undefined {
    const name = typeof key === "string" ? unescapeName(key) ?? key : "";
    if (typeof key !== "string" || !Object.hasOwn(this.#json, name)) return undefined;
    return claimValue(this.#json[name]);
  }

  override keys(): Iterable<Value> {
    return Object.keys(this.#json);
  }
}

/** Whether an expression reads `claims.FIELD`. */
export function readsClaim({ program }: JwtExpression, field: string): boolean {
  for (const each of program.selections) {
    if (each.variable === "claims" && each.field === field) return true;
  }
  return false;
}
