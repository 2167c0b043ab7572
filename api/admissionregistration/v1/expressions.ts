/** The expressions of webhooks and policies, and the types that they must give. */
import { BOOL, type Type } from "@raft2kube/cel/types.ts";
import { duplicate, type FieldError, invalid, required, tooMany } from "../../errors.ts";
import type { MatchCondition } from "../../gen/admissionregistration/v1.ts";
import { invalidBy } from "../../validation/checks.ts";
import { qualifiedName } from "../../validation/names.ts";
import { type AdmissionScope, environmentOf } from "./environment.ts";

const CONDITIONS_MAX = 64;

/** Checks an expression. Gives its type, or what is wrong with it. */
export function compile(
  text: string,
  scope: AdmissionScope,
  results: readonly Type[] = [],
): { readonly type: Type } | { readonly complaint: string } {
  const { program, errors } = environmentOf(scope).compile(text);
  if (errors !== undefined) {
    const stage = errors.isInstantiation === true ? "program instantiation" : "compilation";
    return { complaint: `${stage} failed: ${errors.message}` };
  }
  const { type } = program;
  if (results.length === 0 || results.some((each) => each.is(type))) return { type };
  const wanted =
    results.length === 1
      ? String(results[0])
      : `one of [${results.map(({ name }) => name).join(" ")}]`;
  return { complaint: `must evaluate to ${wanted} but got ${type}` };
}

/** The error of an expression that must give one of `results`. */
export function validateExpression(
  text: string,
  path: string,
  scope: AdmissionScope,
  results: readonly Type[],
): FieldError[] {
  const outcome = compile(text, scope, results);
  return "complaint" in outcome ? [invalid(path, text, outcome.complaint)] : [];
}

/** Named conditions that must all hold. */
export function validateMatchConditions(
  conditions: readonly MatchCondition[] = [],
  path: string,
  params: boolean,
): FieldError[] {
  const errors =
    conditions.length > CONDITIONS_MAX ? [tooMany(path, conditions.length, CONDITIONS_MAX)] : [];
  const names = new Set<string>();
  return [
    ...errors,
    ...conditions.flatMap(({ name, expression }, index) => {
      const at = `${path}[${index}]`;
      const text = expression.trim();
      const found =
        text === ""
          ? [required(`${at}.expression`)]
          : validateExpression(text, `${at}.expression`, { params, authorizer: true }, [BOOL]);
      if (name === "") return [...found, required(`${at}.name`)];
      found.push(...invalidBy(qualifiedName, `${at}.name`, name));
      if (names.has(name)) found.push(duplicate(`${at}.name`, name));
      names.add(name);
      return found;
    }),
  ];
}
