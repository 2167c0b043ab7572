/**
 * Attributes: a variable or another value, and the selections and indexes that follow it. They are
 * one unit as in cel-go, which costs count: 1 for the attribute and 1 for each qualifier.
 */
import { keyText } from "./collections.ts";
import { error, NO_OVERLOAD } from "./failures.ts";
import { typeOfValue } from "./operations.ts";
import type { State, Step } from "./state.ts";
import {
  isError,
  ListValue,
  MapValue,
  OptionalValue,
  type Outcome,
  StructValue,
  Uint,
  type Value,
} from "./value.ts";

/** A selection or index. */
export interface Qualifier {
  /** Whether a missing field or item gives `optional.none()`. */
  readonly optional: boolean;
  /** Whether only the presence is asked for. */
  readonly test: boolean;
  /** The constant key, or how it is computed. */
  readonly key: Value | Step;
}

export type Attribute =
  | { readonly is: "path"; readonly root: Step; readonly qualifiers: readonly Qualifier[] }
  | {
      readonly is: "choice";
      readonly condition: Step;
      readonly then: Attribute;
      readonly otherwise: Attribute;
    };

/** The attribute with one more qualifier; that of a choice goes to both of its sides. */
export function qualified(attribute: Attribute, qualifier: Qualifier): Attribute {
  if (attribute.is === "path") {
    return { ...attribute, qualifiers: [...attribute.qualifiers, qualifier] };
  }
  const { then, otherwise } = attribute;
  return {
    ...attribute,
    then: qualified(then, qualifier),
    otherwise: qualified(otherwise, qualifier),
  };
}

/** Computes an attribute without the cost of itself. */
export function resolver(attribute: Attribute): Step {
  if (attribute.is === "path") return pathResolver(attribute.root, attribute.qualifiers);
  const { condition } = attribute;
  const then = resolver(attribute.then);
  const otherwise = resolver(attribute.otherwise);
  return (state) => {
    const holds = condition(state);
    if (holds === true) return then(state);
    if (holds === false) return otherwise(state);
    return isError(holds) ? holds : NO_OVERLOAD;
  };
}

function pathResolver(root: Step, qualifiers: readonly Qualifier[]): Step {
  if (qualifiers.length === 0) return root;
  return (state) => {
    let value = root(state);
    let isOptional = value instanceof OptionalValue;
    if (value instanceof OptionalValue) {
      if (value.value === undefined) return value;
      value = value.value;
    }
    for (const qualifier of qualifiers) {
      if (isError(value)) return value;
      state.count(1);
      isOptional ||= qualifier.optional;
      if (isOptional) {
        const found: Outcome | undefined = qualifyIfPresent(state, value, qualifier);
        if (found === undefined) return OptionalValue.NONE;
        value = found;
      } else {
        value = qualify(state, value, qualifier);
      }
    }
    return isOptional && !isError(value) ? new OptionalValue(value) : value;
  };
}

function keyOf(state: State, { key }: Qualifier): Outcome {
  if (typeof key !== "function") return key;
  const value = key(state);
  switch (typeof value) {
    case "string":
    case "bigint":
    case "boolean":
    case "number":
      return value;
    default:
      return isError(value) || value instanceof Uint
        ? value
        : error(`invalid qualifier type: ${typeOfValue(value)}`);
  }
}

function qualify(state: State, object: Value, qualifier: Qualifier): Outcome {
  const key = keyOf(state, qualifier);
  state.spend(1);
  if (isError(key)) return key;
  const found = find(object, key, qualifier.test);
  if (qualifier.test && (found === undefined || !isError(found))) return found !== undefined;
  return found === undefined ? missing(object, key) : found;
}

function qualifyIfPresent(state: State, object: Value, qualifier: Qualifier): Outcome | undefined {
  const key = keyOf(state, qualifier);
  if (isError(key)) return key;
  const found = find(object, key, true);
  if (found !== undefined && !isError(found)) state.spend(1);
  return found;
}

/** A field or item of a value; undefined when it is absent, or with `present`, not set. */
function find(object: Value, key: Value, present: boolean): Outcome | undefined {
  if (object instanceof MapValue) return object.get(key);
  if (object instanceof ListValue) {
    const index = indexOf(key);
    if (typeof index !== "number") return index;
    return index >= 0 && index < object.size ? object.at(index) : undefined;
  }
  if (object instanceof StructValue && typeof key === "string") {
    return present && !object.has(key) ? undefined : object.get(key);
  }
  return undefined;
}

/** The number of an index into a list. */
function indexOf(key: Value): number | Outcome {
  const index = typeof key === "number" ? key : Number(key instanceof Uint ? key.value : key);
  if (typeof key === "bigint" || key instanceof Uint || Number.isInteger(key)) return index;
  return typeof key === "number"
    ? error(`unsupported index value ${key} in list`)
    : error(`unsupported index type '${typeOfValue(key).name}' in list`);
}

function missing(object: Value, key: Value): Outcome {
  if (object instanceof ListValue) return error(`index out of bounds: ${keyText(key)}`);
  if (object instanceof StructValue) return error(`no such field '${keyText(key)}'`);
  return error(`no such key: ${keyText(key)}`);
}
