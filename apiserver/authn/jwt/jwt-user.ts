import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Program } from "@raft2kube/cel/environment.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import { isError, ListValue, type Value } from "@raft2kube/cel/value.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { CLAIM_VALUES_MAX } from "../../limits.ts";
import { evaluateExpression } from "../expression.ts";
import type { Holder } from "../token-authority.ts";
import type { JwtIssuer, JwtRule, Mapping } from "./config.ts";
import { claimOf, claimsVariables, userVariables } from "./expressions.ts";
import type { Claims } from "./verify-jwt.ts";

const CREDENTIAL = "authentication.kubernetes.io/credential-id";

/** Why a user cannot be made of a token's claims; never leaves this file. */
class Unfit extends CodedError {
  constructor(message: string) {
    super("CLAIMS", message);
  }
}

/** The user that the claims of a verified token name, by its issuer's mappings and rules. */
export function userOfClaims(issuer: JwtIssuer, claims: Claims): Holder {
  try {
    return { user: userIn(claims, issuer) };
  } catch (thrown) {
    if (thrown instanceof Unfit) return { refused: `oidc: ${thrown.message}` };
    throw thrown;
  }
}

function userIn(claims: Claims, issuer: JwtIssuer): RequestUser {
  const { username, groups, uid, requiredClaims, claimRules, userRules } = issuer;
  const user = given({
    name: usernameIn(claims, username),
    groups: groups === undefined ? [] : groupsIn(claims, groups),
    uid: (uid && textIn(claims, "uid", uid)) || undefined,
    extra: extraIn(claims, issuer.extra),
  });
  for (const { claim, value } of requiredClaims) checkClaim(claims, claim, value);
  check("claim validation expression", claimRules, claimsVariables(claims));
  check("user info validation rule", userRules, userVariables(user));
  return user;
}

function usernameIn(claims: Claims, username: Mapping): string {
  const name = textIn(claims, "username", username);
  if (name === "") throw new Unfit("an empty username is not allowed");
  const isEmail = "claim" in username && username.claim === "email";
  const { email_verified: isVerified = true } = claims;
  if (isEmail && isVerified !== true) throw new Unfit("email not verified");
  return name;
}

function groupsIn(claims: Claims, groups: Mapping): string[] {
  if ("claim" in groups && claimOf(claims, groups.claim) === undefined) {
    if (!isDistributed(claims, groups.claim)) return [];
    const claim = JSON.stringify(groups.claim);
    throw new Unfit(`the claim ${claim} is distributed, which is not resolved`);
  }
  return textsIn(claims, "group", groups);
}

function extraIn(claims: Claims, extra: JwtIssuer["extra"]): Record<string, string[]> {
  const { jti } = claims;
  const credential = typeof jti === "string" && jti !== "" ? [`JTI=${jti}`] : [];
  const entries = extra.map(
    ({ key, expression }) => [key, textsIn(claims, "extra", { expression })] as const,
  );
  const all = [[CREDENTIAL, credential] as const, ...entries];
  return Object.fromEntries(all.filter(([, values]) => values.length > 0));
}

function checkClaim(claims: Claims, claim: string, value: string): void {
  const { [claim]: found } = claims;
  if (found === undefined) throw new Unfit(`required claim ${claim} not present in ID token`);
  if (found === value) return;
  const why = `value does not match. Got = ${JSON.stringify(found)}, want = ${value}`;
  throw new Unfit(`required claim ${claim} ${why}`);
}

/** Returns the value of a mapping; undefined for a claim that is not there. */
function mapped(claims: Claims, what: string, mapping: Mapping): Value | undefined {
  if ("claim" in mapping) return claimOf(claims, mapping.claim);
  return valueOf(`${what} claim expression`, mapping.expression, claimsVariables(claims));
}

function textIn(claims: Claims, what: string, mapping: Mapping): string {
  const value = mapped(claims, what, mapping);
  if (typeof value === "string") return prefixed(mapping, value);
  throw new Unfit(`the ${what} is not present, or no text`);
}

/** A text or a list of texts; empty ones and null count for none. */
function textsIn(claims: Claims, what: string, mapping: Mapping): string[] {
  const value = mapped(claims, what, mapping);
  if (value === null) return [];
  const length = value instanceof ListValue ? value.size : 1;
  if (length > CLAIM_VALUES_MAX) {
    throw new Unfit(`the ${what} has more than ${CLAIM_VALUES_MAX} values`);
  }
  const values = Array.from({ length }, (_, i) =>
    value instanceof ListValue ? value.at(i) : value,
  );
  if (!values.every((each) => typeof each === "string")) {
    throw new Unfit(`the ${what} is neither a text nor a list of texts`);
  }
  return values.filter((each) => each !== "").map((each) => prefixed(mapping, each));
}

const prefixed = (mapping: Mapping, text: string): string =>
  text === "" || !("prefix" in mapping) ? text : mapping.prefix + text;

function valueOf(what: string, expression: Program, variables: Variables): Value {
  const outcome = evaluateExpression(expression, variables);
  if (isError(outcome)) throw new Unfit(`error evaluating ${what}: ${outcome.message}`);
  return outcome;
}

function check(what: string, rules: readonly JwtRule[], variables: Variables): void {
  for (const { expression, message } of rules) {
    if (valueOf(what, expression, variables) === true) continue;
    const why = `validation expression '${expression.text}' failed: ${message}`;
    throw new Unfit(`error evaluating ${what}: ${why}`);
  }
}

/** Whether a claim is one that another server has (OpenID Connect Core 1.0, 5.6.2). */
function isDistributed(claims: Claims, claim: string): boolean {
  const names = claims["_claim_names"];
  return typeof names === "object" && names !== null && Object.hasOwn(names, claim);
}
