/** The two forms of a library's overloads. */
import type { FunctionDeclaration, Overload } from "../library.ts";
import type { Type } from "../types.ts";

type Implementation = Overload["call"];
/** The parts of an overload besides its signature. */
type Costs = Pick<Overload, "cost" | "estimate" | "steps">;

/** An overload called on a receiver, the first of `args`. */
export function method(
  id: string,
  args: readonly Type[],
  result: Type,
  call: Implementation,
  costs: Costs = {},
): Overload {
  return { id, member: true, args, result, call, ...costs };
}

/** An overload called by its name alone. */
export function call(
  id: string,
  args: readonly Type[],
  result: Type,
  call: Implementation,
  costs: Costs = {},
): Overload {
  return { id, args, result, call, ...costs };
}

/** The functions of a library by their names. */
export function functions(
  table: Readonly<Record<string, readonly Overload[]>>,
): FunctionDeclaration[] {
  return Object.entries(table).map(([name, overloads]) => ({ name, overloads }));
}
