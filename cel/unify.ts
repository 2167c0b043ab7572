/** Assignability of types with type parameters. Source: cel-go's checker/types.go. */
import type { CompileBudget } from "./budget.ts";
import { ParseError } from "./issues.ts";
import { TYPE_SIZE_MAX } from "./limits.ts";
import { DYN, isOptional, Type } from "./types.ts";

/** Types by the parameters that they are bound to. A failed assignment leaves no trace. */
export class Bindings extends Map<string, Type> {
  #trail: [name: string, previous: Type | undefined][] = [];
  readonly #budget: CompileBudget;

  constructor(budget: CompileBudget) {
    super();
    this.#budget = budget;
  }

  /** Counts a comparison of types. Throws ParseError when the budget is spent. */
  count(): void {
    this.#budget.count(1);
  }

  override set(name: string, type: Type): this {
    this.#trail.push([name, this.get(name)]);
    return super.set(name, type);
  }

  /** Binds parameters so that each of `from` is assignable to its one of `to`; or none. */
  assign(from: readonly Type[], to: readonly Type[]): boolean {
    this.#trail = [];
    if (areAssignable(this, from, to)) return true;
    for (const [name, previous] of this.#trail.reverse()) {
      if (previous === undefined) this.delete(name);
      else super.set(name, previous);
    }
    return false;
  }
}

function tooLarge(): ParseError {
  return new ParseError("expression is too large: its types are", undefined);
}

/** The type. Throws ParseError when it is larger than TYPE_SIZE_MAX. */
export function bounded(type: Type): Type {
  if (type.size > TYPE_SIZE_MAX) throw tooLarge();
  return type;
}

export const isDynOrError = (type: Type): boolean => type.kind === "dyn" || type.kind === "error";

/** The type within an optional, and whether it was one. */
export function unwrapOptional(type: Type): readonly [Type, boolean] {
  return isOptional(type) ? [type.parameters[0]!, true] : [type, false];
}

/** Whether the first type is at least as general. */
function isEqualOrLessSpecific(a: Type, b: Type): boolean {
  if (a.kind === "dyn" || a.kind === "parameter") return true;
  if (b.kind === "dyn" || b.kind === "parameter" || a.kind !== b.kind) return false;
  switch (a.kind) {
    case "opaque":
    case "list":
    case "map":
      return (
        a.name === b.name &&
        a.parameters.length === b.parameters.length &&
        a.parameters.every((each, index) => isEqualOrLessSpecific(each, b.parameters[index]!))
      );
    case "type":
      return true;
    default:
      return a.is(b);
  }
}

export const mostGeneral = (a: Type, b: Type): Type => (isEqualOrLessSpecific(a, b) ? a : b);

const areAssignable = (bindings: Bindings, from: readonly Type[], to: readonly Type[]): boolean =>
  from.length === to.length &&
  from.every((each, index) => isAssignable(bindings, each, to[index]!));

function isAssignable(bindings: Bindings, from: Type, to: Type): boolean {
  bindings.count();
  if (to.kind === "parameter") {
    const [isValid, isBound] = bind(bindings, from, to);
    if (isValid || isBound) return isValid;
  }
  if (from.kind === "parameter") return bind(bindings, to, from)[0];
  if (isDynOrError(from) || isDynOrError(to)) return true;
  if (from.kind === "null") return isNullable(to);
  if (to.kind === "null") return isNullable(from);
  switch (from.kind) {
    case "type":
      return to.kind === "type";
    case "opaque":
    case "list":
    case "map":
      return (
        from.kind === to.kind &&
        from.name === to.name &&
        areAssignable(bindings, from.parameters, to.parameters)
      );
    default:
      return from.kind === to.kind && from.name === to.name;
  }
}

const isNullable = ({ kind }: Type): boolean =>
  kind === "null" ||
  kind === "opaque" ||
  kind === "struct" ||
  kind === "duration" ||
  kind === "timestamp";

/** Binds a parameter to a type. Returns whether it fits, and whether the parameter was bound. */
function bind(bindings: Bindings, type: Type, to: Type): readonly [boolean, boolean] {
  if (type.kind === to.kind && type.is(to)) return [true, true];
  const bound = bindings.get(to.name);
  if (bound !== undefined) {
    if (type.kind === bound.kind && type.is(bound)) return [true, true];
    if (!isAssignable(bindings, type, bound)) return [false, true];
    const general = mostGeneral(type, bound);
    if (!occursIn(bindings, to, general)) bindings.set(to.name, general);
    return [true, true];
  }
  if (occursIn(bindings, to, type)) return [false, false];
  bindings.set(to.name, type);
  return [true, false];
}

/** Whether a parameter occurs in a type, directly or by what its parameters are bound to. */
function occursIn(bindings: Bindings, sought: Type, within: Type): boolean {
  bindings.count();
  if (sought.is(within)) return true;
  if (within.kind === "parameter") {
    const bound = bindings.get(within.name);
    return bound !== undefined && occursIn(bindings, sought, bound);
  }
  return within.parameters.some((each) => occursIn(bindings, sought, each));
}

/** The type with its parameters replaced by what they are bound to; by dyn if `freeToDyn`. */
export function substitute(bindings: Bindings, type: Type, freeToDyn: boolean): Type {
  if (type.kind === "parameter") {
    const bound = bindings.get(type.name);
    if (bound !== undefined) return substitute(bindings, bound, freeToDyn);
    return freeToDyn ? DYN : type;
  }
  if (type.parameters.length === 0) return type;
  const parameters = type.parameters.map((each) => substitute(bindings, each, freeToDyn));
  if (parameters.every((each, index) => each === type.parameters[index])) return type;
  return bounded(new Type(type.kind, type.name, parameters));
}
