/** The cost of calls at run time. Source: cel-go's interpreter/runtimecost.go. */
import { REGEX_LENGTH_FACTOR, STRING_TRAVERSAL_FACTOR } from "./cost-factors.ts";
import type { CostModel, Overload } from "./library.ts";
import { costSize, smallerSize } from "./operations.ts";
import { isError, type Outcome, type Value } from "./value.ts";

const traversal = (size: number): number => Math.ceil(size * STRING_TRAVERSAL_FACTOR);

/** The cost of a call; `overload` is undefined when several may have been meant. */
export function callCost(
  name: string,
  overload: Overload | undefined,
  model: CostModel,
  outcomes: readonly Outcome[],
  result: Outcome,
): number {
  // Errors have no size, as null has none.
  const args = outcomes.map((each): Value => (isError(each) ? null : each));
  return (
    overload?.cost?.(args, result) ??
    model.callCost?.(name, overload?.id ?? "", args, result) ??
    standardCost(overload?.id ?? "", args)
  );
}

function standardCost(overload: string, args: readonly Value[]): number {
  const size = (index: number): number => costSize(args[index]!);
  switch (overload) {
    case "starts_with_string":
    case "ends_with_string":
    case "string_to_bytes":
    case "bytes_to_string":
    case "strings_quote":
    case "string_format":
      return traversal(size(0));
    case "in_list":
      return size(1);
    case "add_string":
    case "add_bytes":
      return traversal(size(0) + size(1));
    case "matches_string":
      return traversal(1 + size(0)) * Math.ceil(size(1) * REGEX_LENGTH_FACTOR);
    case "contains_string":
      return traversal(size(0)) * traversal(size(1));
    default:
      return COMPARED.has(overload) ? traversal(smallerSize(args[0]!, args[1]!)) : 1;
  }
}

const COMPARED = new Set([
  "equals",
  "not_equals",
  ...["less", "greater", "less_equals", "greater_equals"].flatMap((order) => [
    `${order}_string`,
    `${order}_bytes`,
  ]),
]);

/** The cost of `==` and `!=`, which are planned without overloads. */
export function equalityCost(
  isEqual: boolean,
  model: CostModel,
  outcomes: readonly Outcome[],
  result: Outcome,
): number {
  const args = outcomes.map((each): Value => (isError(each) ? null : each));
  const id = isEqual ? "equals" : "not_equals";
  return model.callCost?.(isEqual ? "_==_" : "_!=_", id, args, result) ?? standardCost(id, args);
}
