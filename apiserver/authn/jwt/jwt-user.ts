import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Program } from "@raft2kube/cel/environment.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import { isError, ListValue, type Value } from "@raft2kube/cel/value.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { CLAIM_VALUES_MAX } from "../../limits.ts";
import { evaluateExpression } from "../expression.ts";
import type { JwtIssuer, JwtRule, Mapping } from "./config.ts";
import { claimsVariables, userVariables } from "./expressions.ts";
import type { Claims } from "./verify-jwt.ts";

type Refused = { readonly refused: string };

const CREDENTIAL = "authentication.kubernetes.io/credential-id";

/** Why a user cannot be made of a token's claims; never leaves this file. */
class Unfit extends CodedError {
  override readonly name = "Unfit";

  constructor(message: string) {
    super("CLAIMS", message);
  }
}

/** The user that the claims of a verified token name, by its issuer's mappings and rules. */
export function userOfClaims(issuer: JwtIssuer, claims: Claims): { user: RequestUser } | Refused {
  try {
    return { user: new ClaimsReader(issuer, claims).user() };
  } catch (thrown) {
    if (thrown instanceof Unfit) return { refused: `oidc: ${thrown.message}` };
    throw thrown;
  }
}

class ClaimsReader {
  readonly #issuer: JwtIssuer;
  readonly #claims: Claims;
  readonly #variables: Variables;

  constructor(issuer: JwtIssuer, claims: Claims) {
    this.#issuer = issuer;
    this.#claims = claims;
    this.#variables = claimsVariables(claims);
  }

  user(): RequestUser {
    const { username, groups, uid, requiredClaims, claimRules, userRules } = this.#issuer;
    const user = given({
      name: this.#username(username),
      groups: groups === undefined ? [] : this.#groups(groups),
      uid: (uid && this.#uid(uid)) || undefined,
      extra: this.#extra(),
    });
    for (const { claim, value } of requiredClaims) this.#require(claim, value);
    check("claim validation expression", claimRules, this.#variables);
    check("user info validation rule", userRules, userVariables(user));
    return user;
  }

  #username(username: Mapping): string {
    if ("expression" in username) {
      const name = this.#text("username", username.expression);
      if (name === "") throw new Unfit("empty username via CEL expression is not allowed");
      return name;
    }
    const { claim, prefix } = username;
    const { [claim]: name, email_verified: isVerified = true } = this.#claims;
    const failed = (why: string) => new Unfit(`parse username claims ${quoted(claim)}: ${why}`);
    if (name === undefined) throw failed("claim not present");
    if (typeof name !== "string") throw failed("it is no text");
    if (claim === "email" && isVerified !== true) throw new Unfit("email not verified");
    return prefix + name;
  }

  #groups(groups: Mapping): string[] {
    if ("expression" in groups) return this.#texts("group", groups.expression);
    const { claim, prefix } = groups;
    const found = this.#claims[claim];
    if (found === undefined) {
      if (!isDistributed(this.#claims, claim)) return [];
      throw new Unfit(`the claim ${quoted(claim)} is distributed, which is not resolved`);
    }
    const values: unknown[] = [found].flat();
    const isTexts = values.every((each) => typeof each === "string");
    if (!isTexts) throw new Unfit(`parse groups claim ${quoted(claim)}: it is no list of texts`);
    return bounded(values).map((each) => prefix + each);
  }

  #uid(uid: Mapping): string {
    if ("expression" in uid) return this.#text("uid", uid.expression);
    const value = this.#claims[uid.claim];
    if (typeof value === "string") return value;
    throw new Unfit(`parse uid claim ${quoted(uid.claim)}: claim not present, or no text`);
  }

  #extra(): Record<string, string[]> {
    const { jti } = this.#claims;
    const credential = typeof jti === "string" && jti !== "" ? [`JTI=${jti}`] : [];
    const entries = this.#issuer.extra.map(
      ({ key, expression }) => [key, this.#texts("extra", expression)] as const,
    );
    const all = [[CREDENTIAL, credential] as const, ...entries];
    return Object.fromEntries(all.filter(([, values]) => values.length > 0));
  }

  #require(claim: string, value: string): void {
    const found = this.#claims[claim];
    if (found === undefined) throw new Unfit(`required claim ${claim} not present in ID token`);
    if (typeof found !== "string") throw new Unfit(`parse claim ${claim}: it is no text`);
    if (found === value) return;
    const why = `value does not match. Got = ${found}, want = ${value}`;
    throw new Unfit(`required claim ${claim} ${why}`);
  }

  #text(what: string, expression: Program): string {
    const value = valueOf(`${what} claim expression`, expression, this.#variables);
    if (typeof value === "string") return value;
    throw unfit(`${what} claim expression`, `${what} claim expression must return a string`);
  }

  /** A text or a list of texts; empty ones and null count for none. */
  #texts(what: string, expression: Program): string[] {
    const value = valueOf(`${what} claim expression`, expression, this.#variables);
    if (value === null) return [];
    const length = value instanceof ListValue ? Math.min(value.size, CLAIM_VALUES_MAX + 1) : 1;
    const values = Array.from({ length }, (_, i) =>
      value instanceof ListValue ? value.at(i) : value,
    );
    if (!values.every((each) => typeof each === "string")) {
      const why = "expression must return a string or a list of strings";
      throw unfit(`${what} claim expression`, why);
    }
    return bounded(values).filter((each) => each !== "");
  }
}

const unfit = (what: string, why: string) => new Unfit(`error evaluating ${what}: ${why}`);

function valueOf(what: string, expression: Program, variables: Variables): Value {
  const outcome = evaluateExpression(expression, variables);
  if (isError(outcome)) throw unfit(what, outcome.message);
  return outcome;
}

function check(what: string, rules: readonly JwtRule[], variables: Variables): void {
  for (const { expression, message } of rules) {
    if (valueOf(what, expression, variables) === true) continue;
    throw unfit(what, `validation expression '${expression.text}' failed: ${message}`);
  }
}

function bounded(values: string[]): string[] {
  if (values.length <= CLAIM_VALUES_MAX) return values;
  throw new Unfit(`a claim has more than ${CLAIM_VALUES_MAX} values`);
}

/** Whether a claim is one that another server has (OpenID Connect Core 1.0, 5.6.2). */
function isDistributed(claims: Claims, claim: string): boolean {
  const names = claims["_claim_names"];
  return typeof names === "object" && names !== null && Object.hasOwn(names, claim);
}

const quoted = (text: string): string => JSON.stringify(text);
