/**
 * Rules about well-typed expressions, which Kubernetes adds to the language: literals are of one
 * type, and literal arguments are what their function takes. Source: cel-go's cel/validator.go.
 */
import type { Call, Expr, ListExpr, MapExpr } from "./ast.ts";
import type { CompileBudget } from "./budget.ts";
import type { Checked } from "./checker.ts";
import { toDuration, toTimestamp } from "./conversions.ts";
import type { Issues } from "./issues.ts";
import type { Library, Validation, Validator } from "./library.ts";
import { childrenOf } from "./selections.ts";
import type { Type } from "./types.ts";
import { isError, type Outcome } from "./value.ts";

/** Calls in whose arguments literals may mix types. */
const EXEMPT = new Set(["format"]);

/** Reports what breaks the rules of libraries and, with `homogeneous`, literals of mixed types. */
export function validate(
  checked: Checked,
  validators: readonly Validator[],
  homogeneous: boolean,
  issues: Issues,
  budget: CompileBudget,
): void {
  const byFunction = new Map(
    validators.flatMap((each) => each.functions.map((name) => [name, each] as const)),
  );
  const typeOf = (expr: Expr): Type => checked.types.get(expr.id)!;
  const report = (message: string, at: Expr): void => issues.add(message, at.at);
  const validation = { typeOf, report, budget };
  const visit = (expr: Expr, isExempt: boolean): void => {
    if (expr.is === "call") byFunction.get(expr.name)?.check(expr, validation);
    if (homogeneous && !isExempt) {
      if (expr.is === "list") checkList(expr, typeOf, report);
      if (expr.is === "map") checkMap(expr, typeOf, report);
    }
    const below = isExempt || (expr.is === "call" && EXEMPT.has(expr.name));
    for (const child of childrenOf(expr)) visit(child, below);
  };
  visit(checked.expr, false);
}

type TypeOf = (expr: Expr) => Type;
type Report = (message: string, at: Expr) => void;

function mismatch(expected: Type, found: Type): string {
  return `expected type '${expected}' but found '${found}'`;
}

function elementType(value: Expr, optional: boolean, typeOf: TypeOf): Type {
  const type = typeOf(value);
  return optional ? type.parameters[0]! : type;
}

/** Reports the first item of another type than the first one. */
function checkList({ items }: ListExpr, typeOf: TypeOf, report: Report): void {
  const types = items.map(({ value, optional }) => elementType(value, optional, typeOf));
  const other = types.findIndex((type) => !type.is(types[0]!));
  if (other > 0) report(mismatch(types[0]!, types[other]!), items[other]!.value);
}

/** Reports each key and value of another type than the first ones. */
function checkMap({ entries }: MapExpr, typeOf: TypeOf, report: Report): void {
  const [first] = entries;
  if (first === undefined) return;
  const keyType = typeOf(first.key);
  const valueType = elementType(first.value, first.optional, typeOf);
  for (const { key, value, optional } of entries) {
    const type = elementType(value, optional, typeOf);
    if (!typeOf(key).is(keyType)) report(mismatch(keyType, typeOf(key)), key);
    if (!type.is(valueType)) report(mismatch(valueType, type), value);
  }
}

/** A rule about the first argument of a function where it is a literal. */
const literalRule = (
  name: string,
  accepts: (literal: string | bigint, validation: Validation) => boolean,
): Validator => ({
  functions: [name],
  check({ args: [literal] }: Call, validation) {
    if (literal?.is !== "literal" || !("value" in literal.value)) return;
    const { value } = literal.value;
    if (typeof value !== "string" && typeof value !== "bigint") return;
    if (accepts(value, validation)) return;
    validation.report(`invalid ${name} argument`, literal);
  },
});

function isPattern(text: string | bigint, { budget }: Validation): boolean {
  return typeof text !== "string" || budget.patternError(text) === undefined;
}

const succeeds = (outcome: Outcome): boolean => !isError(outcome);

/** The rules that cel-go offers for literals of the standard library. */
export const LITERAL_RULES: Library = {
  name: "cel.validators",
  validators: [
    literalRule("duration", (literal) => succeeds(toDuration(literal))),
    literalRule("timestamp", (literal) => succeeds(toTimestamp(literal))),
    literalRule("matches", isPattern),
  ],
};
