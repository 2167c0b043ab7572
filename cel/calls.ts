/** Calls of functions: dispatch on the types of arguments, and cost. */
import { error, NO_OVERLOAD } from "./failures.ts";
import type { CostModel, Overload } from "./library.ts";
import { typeOfValue } from "./operations.ts";
import { callCost } from "./runtime-cost.ts";
import type { State, Step } from "./state.ts";
import type { Type } from "./types.ts";
import {
  ErrorValue,
  isError,
  ListValue,
  MapValue,
  type Outcome,
  Uint,
  type Value,
} from "./value.ts";

type Guard = (value: Value) => boolean;

const isAny = (): boolean => true;

/** Whether values are of a type at run time; of lists and maps, their first entries. */
function guardOf(type: Type): Guard {
  switch (type.kind) {
    case "dyn":
    case "parameter":
    case "error":
      return isAny;
    case "bool":
      return (value) => typeof value === "boolean";
    case "int":
      return (value) => typeof value === "bigint";
    case "uint":
      return (value) => value instanceof Uint;
    case "double":
      return (value) => typeof value === "number";
    case "string":
      return (value) => typeof value === "string";
    case "list": {
      const item = guardOf(type.parameters[0]!);
      return (value) => value instanceof ListValue && (value.size === 0 || item(value.at(0)));
    }
    case "map":
      return mapGuard(guardOf(type.parameters[0]!), guardOf(type.parameters[1]!));
    default:
      return (value) => typeOfValue(value).name === type.name;
  }
}

function mapGuard(key: Guard, item: Guard): Guard {
  return (value) => {
    if (!(value instanceof MapValue)) return false;
    // Listing the keys takes as long as there are many.
    if (key === isAny && item === isAny) return true;
    for (const first of value.keys()) return key(first) && item(value.get(first)!);
    return true;
  };
}

type Candidate = { readonly overload: Overload; readonly guards: readonly Guard[] };

/** A call of one of the overloads that the checker found to fit. */
export interface Invocation {
  readonly name: string;
  readonly overloads: readonly Overload[];
  readonly args: readonly Step[];
  readonly costs: CostModel;
}

/**
 * Plans a call. As in cel-go, a call of more than two arguments ends at the first error; others
 * evaluate both. A call that several overloads fit has no overload id, which its cost goes by.
 */
export function invoke(invocation: Invocation): Step {
  const { args, overloads } = invocation;
  const call = dispatch(invocation);
  if (overloads.some(({ nonStrict = false }) => nonStrict)) {
    return (state) =>
      call(
        state,
        args.map((arg) => arg(state)),
        undefined,
      );
  }
  const [first, second] = args;
  if (args.length === 1) {
    return (state) => {
      const value = first!(state);
      return call(state, [value], isError(value) ? value : undefined);
    };
  }
  if (args.length === 2) {
    return (state) => {
      const a = first!(state);
      const b = second!(state);
      return call(state, [a, b], isError(a) ? a : isError(b) ? b : undefined);
    };
  }
  return (state) => {
    const values: Outcome[] = [];
    for (const arg of args) {
      const value = arg(state);
      values.push(value);
      if (!isError(value)) continue;
      return values.length < args.length ? value : call(state, values, value);
    }
    return call(state, values, undefined);
  };
}

type Dispatch = (state: State, values: Outcome[], failure: ErrorValue | undefined) => Outcome;

/** Calls the overload that fits the values, unless an argument failed, and counts the cost. */
function dispatch({ name, overloads, costs }: Invocation): Dispatch {
  const candidates = overloads.map(
    (overload): Candidate => ({ overload, guards: overload.args.map(guardOf) }),
  );
  const only = overloads.length === 1 ? overloads[0] : undefined;
  return (state, values, failure) => {
    let result: Outcome | undefined = failure;
    let counted: Overload["steps"];
    if (failure === undefined) {
      const found = fitting(candidates, values as Value[]);
      counted = found?.steps;
      state.count(1 + (counted === undefined ? weightOf(values) : counted(values as Value[])));
      result =
        found === undefined ? unfit(name, values as Value[]) : found.call(...(values as never[]));
    }
    const cost = callCost(name, only, costs, values, result!);
    state.spend(cost);
    if (counted === undefined && failure === undefined) state.count(cost);
    return result!;
  };
}

function fitting(candidates: readonly Candidate[], values: readonly Value[]): Overload | undefined {
  for (const { overload, guards } of candidates) {
    let fits = true;
    for (let index = 0; fits && index < guards.length; index++) {
      fits = guards[index]!(values[index]!);
    }
    if (fits || overload.nonStrict === true) return overload;
  }
  return undefined;
}

/** Characters and octets for which a function that reads them takes a step. */
const READ_PER_STEP = 16;

/** Steps that reading the arguments takes. */
function weightOf(values: readonly Outcome[]): number {
  let size = 0;
  for (const value of values) {
    if (typeof value === "string" || value instanceof Uint8Array) size += value.length;
  }
  return Math.floor(size / READ_PER_STEP);
}

function unfit(name: string, values: readonly Value[]): ErrorValue {
  if (/^[_!@-]/.test(name)) return NO_OVERLOAD;
  const types = values.map((each) => typeOfValue(each).name);
  return error(`no such overload: ${name}(${types.join(", ")})`);
}
