import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Program } from "@raft2kube/cel/environment.ts";
import { isError, ListValue, type Outcome } from "@raft2kube/cel/value.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { CLAIM_VALUES_MAX } from "../../limits.ts";
import { evaluateExpression } from "../expression.ts";
import type { JwtIssuer, JwtRule } from "./config.ts";
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
  readonly #variables: ReturnType<typeof claimsVariables>;

  constructor(issuer: JwtIssuer, claims: Claims) {
    this.#issuer = issuer;
    this.#claims = claims;
    this.#variables = claimsVariables(claims);
  }

  user(): RequestUser {
    const { requiredClaims, claimRules, userRules } = this.#issuer;
    const name = this.#username();
    const groups = this.#groups();
    const uid = this.#uid();
    const user = { name, groups, extra: this.#extra(), ...(uid === "" ? {} : { uid }) };
    for (const { claim, value } of requiredClaims) this.#require(claim, value);
    check("claim validation expression", claimRules, (each) => this.#evaluate(each));
    check("user info validation rule", userRules, (each) =>
      evaluateExpression(each, userVariables(user)),
    );
    return user;
  }

  #username(): string {
    const { username } = this.#issuer;
    if ("expression" in username) {
      const name = this.#text("username", username.expression);
      if (name === "") throw new Unfit("empty username via CEL expression is not allowed");
      return name;
    }
    const { claim, prefix } = username;
    const name = this.#claims[claim];
    if (typeof name !== "string")
      throw new Unfit(
        `parse username claims ${quoted(claim)}: ` +
          (name === undefined ? "claim not present" : "it is no text"),
      );
    const verified = this.#claims["email_verified"];
    if (claim === "email" && verified !== undefined && verified !== true) {
      throw new Unfit("email not verified");
    }
    return prefix + name;
  }

  #groups(): string[] {
    const { groups } = this.#issuer;
    if (groups === undefined) return [];
    if ("expression" in groups) return this.#texts("group", groups.expression);
    const { claim, prefix } = groups;
    const found = this.#claims[claim];
    if (found === undefined) {
      if (!isDistributed(this.#claims, claim)) return [];
      throw new Unfit(`the claim ${quoted(claim)} is distributed, which is not resolved`);
    }
    const values = typeof found === "string" ? [found] : found;
    const isTexts = Array.isArray(values) && values.every((each) => typeof each === "string");
    if (!isTexts) throw new Unfit(`parse groups claim ${quoted(claim)}: it is no list of texts`);
    return bounded(values as string[]).map((each) => prefix + each);
  }

  #uid(): string {
    const { uid } = this.#issuer;
    if (uid === undefined) return "";
    if ("expression" in uid) return this.#text("uid", uid.expression);
    const value = this.#claims[uid.claim];
    if (typeof value === "string") return value;
    throw new Unfit(`parse uid claim ${quoted(uid.claim)}: claim not present, or no text`);
  }

  #extra(): Record<string, string[]> {
    const { jti } = this.#claims;
    const given = this.#issuer.extra.map(
      ({ key, expression }) => [key, this.#texts("extra", expression)] as const,
    );
    return Object.fromEntries([
      ...(typeof jti === "string" && jti !== "" ? [[CREDENTIAL, [`JTI=${jti}`]] as const] : []),
      ...given.filter(([, values]) => values.length > 0),
    ]);
  }

  #require(claim: string, value: string): void {
    const found = this.#claims[claim];
    if (found === undefined) throw new Unfit(`required claim ${claim} not present in ID token`);
    if (typeof found !== "string") throw new Unfit(`parse claim ${claim}: it is no text`);
    if (found !== value) {
      throw new Unfit(
        `required claim ${claim} value does not match. Got = ${found}, want = ${value}`,
      );
    }
  }

  #evaluate(expression: Program): Outcome {
    return evaluateExpression(expression, this.#variables);
  }

  #text(what: string, expression: Program): string {
    const failed = (why: string) => new Unfit(`error evaluating ${what} claim expression: ${why}`);
    const value = this.#evaluate(expression);
    if (isError(value)) throw failed(value.message);
    if (typeof value !== "string") throw failed(`${what} claim expression must return a string`);
    return value;
  }

  /** A text or a list of texts; empty ones and null count for none. */
  #texts(what: string, expression: Program): string[] {
    const failed = (why: string) => new Unfit(`error evaluating ${what} claim expression: ${why}`);
    const value = this.#evaluate(expression);
    if (isError(value)) throw failed(value.message);
    if (value === null) return [];
    const values =
      value instanceof ListValue
        ? Array.from({ length: Math.min(value.size, CLAIM_VALUES_MAX + 1) }, (_, i) => value.at(i))
        : [value];
    if (!values.every((each) => typeof each === "string")) {
      throw failed("expression must return a string or a list of strings");
    }
    return bounded(values).filter((each) => each !== "");
  }
}

function bounded(values: string[]): string[] {
  if (values.length <= CLAIM_VALUES_MAX) return values;
  throw new Unfit(`a claim has more than ${CLAIM_VALUES_MAX} values`);
}

function check(
  what: string,
  rules: readonly JwtRule[],
  value: (expression: Program) => Outcome,
): void {
  for (const { expression, message } of rules) {
    const outcome = value(expression);
    const failed = (why: string) => new Unfit(`error evaluating ${what}: ${why}`);
    if (isError(outcome)) throw failed(outcome.message);
    if (outcome === true) continue;
    throw failed(`validation expression '${expression.text}' failed: ${message}`);
  }
}

/** Whether a claim is one that another server has (OpenID Connect Core 1.0, 5.6.2). */
function isDistributed(claims: Claims, claim: string): boolean {
  const names = claims["_claim_names"];
  return typeof names === "object" && names !== null && Object.hasOwn(names, claim);
}

const quoted = (text: string): string => JSON.stringify(text);
