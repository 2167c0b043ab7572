/** Walks of trees: what an expression selects. */
import type { Expr } from "./ast.ts";

/** The expressions that one is made of. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.is) {
    case "literal":
    case "ident":
      return [];
    case "select":
      return [expr.operand];
    case "call":
      return expr.target === undefined ? expr.args : [expr.target, ...expr.args];
    case "list":
      return expr.items.map(({ value }) => value);
    case "map":
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case "struct":
      return expr.fields.map(({ value }) => value);
    case "comprehension":
      return [expr.range, expr.initial, expr.condition, expr.step, expr.result];
    default:
      return expr satisfies never;
  }
}

/** The fields that an expression selects of a variable, `a.b` or `a.?b`, and of anything. */
export function* selectionsOf(expr: Expr): Generator<{ variable?: string; field: string }> {
  const found = selectionIn(expr);
  if (found !== undefined) {
    const { operand, field } = found;
    yield { field, ...(operand.is === "ident" ? { variable: operand.name } : {}) };
  }
  for (const child of childrenOf(expr)) yield* selectionsOf(child);
}

function selectionIn(expr: Expr): { operand: Expr; field: string } | undefined {
  if (expr.is === "select") return expr;
  if (expr.is !== "call" || expr.name !== "_?._") return undefined;
  const [operand, name] = expr.args;
  if (operand === undefined || name?.is !== "literal" || name.value.type !== "string") {
    return undefined;
  }
  return { operand, field: name.value.value };
}
