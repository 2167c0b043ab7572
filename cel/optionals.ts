/** Optional values: `a.?b`, `list[?0]`, `{?k: v}` and their functions (cel-go's version 2). */
import { error } from "./failures.ts";
import { functions, method, call as overload } from "./libraries/declare.ts";
import type { Library } from "./library.ts";
import { OPTIONAL_MACROS } from "./macros.ts";
import { keysSteps } from "./operations.ts";
import {
  BOOL,
  DYN,
  INT,
  listOf,
  mapOf,
  opaqueType,
  optionalOf,
  parameter,
  STRING,
} from "./types.ts";
import {
  ArrayList,
  Duration,
  ListValue,
  MapValue,
  OptionalValue,
  type Outcome,
  Timestamp,
  Uint,
  type Value,
} from "./value.ts";

const K = parameter("K");
const V = parameter("V");
const OPTIONAL = optionalOf(V);
const LIST = listOf(V);
const MAP = mapOf(K, V);

/** Indexes, `or` and `orValue` are planned as such, without a call. */
const special = (): Outcome => error("no such overload");

/** The first moment of the year 1: what Go has where no time was set. */
const GO_ZERO_TIME_NS = -62_135_596_800_000_000_000n;

function isZero(value: Value): boolean {
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.nanos === GO_ZERO_TIME_NS;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof OptionalValue) return value.value === undefined;
  return value === null || value === false || value === 0n || value === 0 || value === "";
}

function item(list: ListValue, index: number): OptionalValue {
  return list.size === 0 ? OptionalValue.NONE : new OptionalValue(list.at(index));
}

function unwrap(list: ListValue): Outcome {
  const values: Value[] = [];
  for (const each of list) {
    if (!(each instanceof OptionalValue)) return error("value is not optional");
    if (each.value !== undefined) values.push(each.value);
  }
  return new ArrayList(values);
}

const unwrapSteps = ([list]: readonly Value[]): number => (list as ListValue).size;

export const OPTIONALS: Library = {
  name: "cel.lib.optional",
  macros: OPTIONAL_MACROS,
  types: [opaqueType("optional_type", V)],
  functions: functions({
    "optional.of": [
      overload("optional_of", [V], OPTIONAL, (value: Value) => new OptionalValue(value)),
    ],
    "optional.ofNonZeroValue": [
      overload(
        "optional_ofNonZeroValue",
        [V],
        OPTIONAL,
        (value: Value) => (isZero(value) ? OptionalValue.NONE : new OptionalValue(value)),
        { steps: ([value]) => keysSteps(value!) },
      ),
    ],
    "optional.none": [overload("optional_none", [], OPTIONAL, () => OptionalValue.NONE)],
    value: [
      method("optional_value", [OPTIONAL], V, ({ value }: OptionalValue) =>
        value === undefined ? error("optional.none() dereference") : value,
      ),
    ],
    hasValue: [
      method(
        "optional_hasValue",
        [OPTIONAL],
        BOOL,
        ({ value }: OptionalValue) => value !== undefined,
      ),
    ],
    or: [method("optional_or_optional", [OPTIONAL, OPTIONAL], OPTIONAL, special)],
    orValue: [method("optional_orValue_value", [OPTIONAL, V], V, special)],
    "_?._": [overload("select_optional_field", [DYN, STRING], OPTIONAL, special)],
    "_[?_]": [
      overload("list_optindex_optional_int", [LIST, INT], OPTIONAL, special),
      overload("optional_list_optindex_optional_int", [optionalOf(LIST), INT], OPTIONAL, special),
      overload("map_optindex_optional_value", [MAP, K], OPTIONAL, special),
      overload("optional_map_optindex_optional_value", [optionalOf(MAP), K], OPTIONAL, special),
    ],
    "_[_]": [
      overload("optional_list_index_int", [optionalOf(LIST), INT], OPTIONAL, special),
      overload("optional_map_index_value", [optionalOf(MAP), K], OPTIONAL, special),
    ],
    first: [method("list_first", [LIST], OPTIONAL, (list: ListValue) => item(list, 0))],
    last: [method("list_last", [LIST], OPTIONAL, (list: ListValue) => item(list, list.size - 1))],
    "optional.unwrap": [
      overload("optional_unwrap", [listOf(OPTIONAL)], LIST, unwrap, { steps: unwrapSteps }),
    ],
    unwrapOpt: [
      method("optional_unwrapOpt", [listOf(OPTIONAL)], LIST, unwrap, { steps: unwrapSteps }),
    ],
  }),
};
