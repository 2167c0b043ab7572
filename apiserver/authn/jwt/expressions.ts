import { PROVIDER } from "@raft2kube/api/admissionregistration/v1/environment.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { unescapeName } from "@raft2kube/cel/field-names.ts";
import { fromJson, JsonList, JsonMap } from "@raft2kube/cel/json.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import { DYN, listOf, mapOf, objectType, STRING } from "@raft2kube/cel/types.ts";
import type { Value } from "@raft2kube/cel/value.ts";

/** The user's type is that of admission's expressions. */
const USER = objectType("kubernetes.UserInfo");
const CLAIMS = mapOf(STRING, DYN);

/** Expressions about `claims`; upstream takes any type for mappings. */
export const CLAIMS_SCOPE: Environment = KUBERNETES.extend({ variables: { claims: CLAIMS } });
/** Rules about `user`. */
export const USER_SCOPE: Environment = KUBERNETES.extend({
  variables: { user: USER },
  provider: PROVIDER,
});

/** The variable `claims`; numbers are doubles, as Go decodes them. */
export const claimsVariables = (claims: Readonly<Record<string, unknown>>): Variables => ({
  claims: claimValue(claims),
});

export function userVariables({ name, uid = "", groups, extra = {} }: RequestUser): Variables {
  return { user: fromJson({ username: name, uid, groups, extra }, USER, PROVIDER) };
}

/** The value of one claim. */
export const claimOf = (claims: Readonly<Record<string, unknown>>, name: string) =>
  Object.hasOwn(claims, name) ? claimValue(claims[name]) : undefined;

function claimValue(json: unknown): Value {
  if (typeof json === "number" || typeof json === "bigint") return Number(json);
  if (Array.isArray(json)) return new ClaimList(json, listOf(DYN));
  return isObject(json) ? new ClaimMap(json, CLAIMS) : fromJson(json, DYN);
}

class ClaimList extends JsonList {
  override at(index: number): Value {
    return claimValue(this.json[index]);
  }
}

/** Claims by their names, which an expression may have to escape: `claims.foo__dot__bar`. */
class ClaimMap extends JsonMap {
  override get(key: Value): Value | undefined {
    const name = typeof key === "string" ? (unescapeName(key) ?? key) : "";
    return typeof key === "string" ? claimOf(this.json, name) : undefined;
  }
}

/** Whether an expression reads `claims.FIELD`. */
export const readsClaim = ({ selections }: Program, claim: string): boolean =>
  Array.from(selections).some(({ variable, field }) => variable === "claims" && field === claim);
