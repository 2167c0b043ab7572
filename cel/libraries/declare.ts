/** The two forms of a library's overloads. */
import type { FunctionDeclaration, Overload } from "../library.ts";
import { BOOL, INT, type Type } from "../types.ts";
import type { Outcome } from "../value.ts";

type Implementation = Overload["call"];
/** The parts of an overload besides its signature. */
type Costs = Pick<Overload, "cost" | "estimate" | "steps">;

/** An overload called on a receiver, the first of `args`. */
export const method = (
  id: string,
  args: readonly Type[],
  result: Type,
  call: Implementation,
  costs: Costs = {},
): Overload => ({ id, member: true, args, result, call, ...costs });

/** An overload called by its name alone. */
export const call = (
  id: string,
  args: readonly Type[],
  result: Type,
  call: Implementation,
  costs: Costs = {},
): Overload => ({ id, args, result, call, ...costs });

/** The methods that compare two values of an ordered type, such as `isLessThan`. */
export function ordering<V>(
  prefix: string,
  type: Type,
  compare: (a: V, b: V) => number,
): Readonly<Record<string, Overload[]>> {
  const named = (name: string, result: Type, of: (order: number) => Outcome) => [
    method(`${prefix}_${name}`, [type, type], result, (a: V, b: V) => of(compare(a, b))),
  ];
  return {
    isGreaterThan: named("is_greater_than", BOOL, (order) => order > 0),
    isLessThan: named("is_less_than", BOOL, (order) => order < 0),
    compareTo: named("compare_to", INT, BigInt),
  };
}

/** The functions of a library by their names. */
export const functions = (
  table: Readonly<Record<string, readonly Overload[]>>,
): FunctionDeclaration[] => Object.entries(table).map(([name, overloads]) => ({ name, overloads }));
