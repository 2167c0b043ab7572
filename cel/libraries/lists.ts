/** Lists: Kubernetes' library (sum, min, isSorted), and cel-go's lists and sets extensions. */
import type { Expr, Macro } from "../ast.ts";
import { COST_EXCEEDED, error, NO_OVERLOAD } from "../failures.ts";
import type { Library, Overload } from "../library.ts";
import { FLAT_LENGTH_MAX } from "../limits.ts";
import { binding, STANDARD_MACROS } from "../macros.ts";
import { compare, contains, costSize, duration, equals, int, pay, uint } from "../operations.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  parameter,
  STRING,
  TIMESTAMP,
  type Type,
  UINT,
} from "../types.ts";
import {
  ArrayList,
  Duration,
  ErrorValue,
  isError,
  ListValue,
  type Outcome,
  Uint,
  type Value,
} from "../value.ts";
import { call, functions, method } from "./declare.ts";
import {
  estimateDistinct,
  estimateFlatten,
  estimateRange,
  estimateReverse,
  estimateSets,
  estimateSlice,
  estimateSort,
  flattenCost,
  listCost,
  selfCompareCost,
  setsCost,
} from "./list-costs.ts";

const COMPARABLE = [INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES];

/** The first name of a type in overload ids: `duration`, not `google.protobuf.Duration`. */
const shortName = ({ name }: Type): string => name.replace("google.protobuf.", "").toLowerCase();

function isSorted(list: ListValue): Outcome {
  for (let index = 1; index < list.size; index++) {
    const order = compare(list.at(index - 1), list.at(index));
    if (typeof order !== "number") return order;
    if (order > 0) return false;
  }
  return true;
}

function sum(zero: Value): (list: ListValue) => Outcome {
  return (list) => {
    let total: Outcome = zero;
    for (const each of list) {
      total = plus(total, each);
      if (isError(total)) return total;
    }
    return total;
  };
}

function plus(a: Value, b: Value): Outcome {
  if (typeof a === "bigint" && typeof b === "bigint") return int(a + b);
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (a instanceof Uint && b instanceof Uint) return uint(a.value + b.value);
  if (a instanceof Duration && b instanceof Duration) return duration(a.nanos + b.nanos);
  return NO_OVERLOAD;
}

function extreme(name: string, sign: 1 | -1): (list: ListValue) => Outcome {
  return (list) => {
    let found: Value | undefined;
    for (const each of list) {
      const order = found === undefined ? sign : compare(each, found);
      if (typeof order !== "number") return order;
      if (order * sign > 0) found = each;
    }
    return found === undefined ? error(`${name} called on empty list`) : found;
  };
}

function indexOf(list: ListValue, item: Value): Outcome {
  for (let index = 0; index < list.size; index++) {
    if (equals(list.at(index), item)) return BigInt(index);
  }
  return -1n;
}

function lastIndexOf(list: ListValue, item: Value): Outcome {
  for (let index = list.size - 1; index >= 0; index--) {
    if (equals(list.at(index), item)) return BigInt(index);
  }
  return -1n;
}

const overloads = (
  types: readonly Type[],
  id: (name: string) => string,
  result: (type: Type) => Type,
  implement: (type: Type) => Overload["call"],
): Overload[] =>
  types.map((type) => method(id(shortName(type)), [listOf(type)], result(type), implement(type)));

const ZEROS: readonly (readonly [Type, Value])[] = [
  [INT, 0n],
  [UINT, new Uint(0n)],
  [DOUBLE, 0],
  [DURATION, new Duration(0n)],
];
const A = parameter("A");

export const listsLibrary: Library = {
  name: "kubernetes.lists",
  functions: functions({
    isSorted: overloads(
      COMPARABLE,
      (name) => `list_${name}_is_sorted_bool`,
      () => BOOL,
      () => isSorted,
    ),
    sum: ZEROS.flatMap(([type, zero]) =>
      overloads(
        [type],
        (name) => `list_${name}_sum_${name}`,
        () => type,
        () => sum(zero),
      ),
    ),
    max: overloads(
      COMPARABLE,
      (name) => `list_${name}_max_${name}`,
      (type) => type,
      () => extreme("max", 1),
    ),
    min: overloads(
      COMPARABLE,
      (name) => `list_${name}_min_${name}`,
      (type) => type,
      () => extreme("min", -1),
    ),
    indexOf: [method("list_a_index_of_int", [listOf(A), A], INT, indexOf)],
    lastIndexOf: [method("list_a_last_index_of_int", [listOf(A), A], INT, lastIndexOf)],
  }),
};

/** The integers from 0, which take no memory. */
class IntegerRange extends ListValue {
  override readonly size: number;

  constructor(size: number) {
    super();
    this.size = size;
  }

  override at(index: number): Value {
    return BigInt(index);
  }
}

function range(count: bigint): ListValue {
  return new IntegerRange(count < 0n ? 0 : Math.min(Number(count), Number.MAX_SAFE_INTEGER));
}

function slice(list: ListValue, start: bigint, end: bigint): Outcome {
  const refuse = (why: string): ErrorValue => error(`cannot slice(${start}, ${end}), ${why}`);
  if (start < 0n || end < 0n) return refuse("negative indexes not supported");
  if (start > end) return refuse("start index must be less than or equal to end index");
  if (end > BigInt(list.size)) return refuse(`list is length ${list.size}`);
  return picked(list, Number(end - start), (index) => index + Number(start));
}

function reverse(list: ListValue): Outcome {
  return picked(list, list.size, (index) => list.size - 1 - index);
}

/** A list of items of another by their places. */
function picked(list: ListValue, size: number, place: (index: number) => number): Outcome {
  if (size > FLAT_LENGTH_MAX) return COST_EXCEEDED;
  return new ArrayList(Array.from({ length: size }, (_, index) => list.at(place(index))));
}

function flatten(list: ListValue, depth = 1n): Outcome {
  if (depth < 0n) return error("level must be non-negative");
  const items: Value[] = [];
  const collect = (from: ListValue, levels: bigint): boolean => {
    pay(Math.min(from.size, FLAT_LENGTH_MAX));
    for (const each of from) {
      if (items.length >= FLAT_LENGTH_MAX) return false;
      if (!(each instanceof ListValue) || levels === 0n) items.push(each);
      else if (!collect(each, levels - 1n)) return false;
    }
    return true;
  };
  return collect(list, depth) ? new ArrayList(items) : COST_EXCEEDED;
}

function sortBy(list: ListValue, keys: ListValue): Outcome {
  if (list.size !== keys.size) {
    return error(
      "@sortByAssociatedKeys() expected a list of the same size as the associated " +
        `keys list, but got ${list.size} and ${keys.size} elements respectively`,
    );
  }
  if (list.size === 0) return list;
  const places = [...keys].map((key, place) => ({ key, place }));
  let failure: Outcome | undefined;
  places.sort((a, b) => {
    const order = compare(a.key, b.key);
    if (typeof order === "number") return order;
    failure ??= error("list elements must have the same type");
    return 0;
  });
  return failure ?? new ArrayList(places.map(({ place }) => list.at(place)));
}

function distinct(list: ListValue): Outcome {
  const found: Value[] = [];
  for (const each of list) {
    if (!found.some((other) => equals(each, other))) found.push(each);
  }
  return new ArrayList(found);
}

/** A sort counts as comparing each key with each, and takes n log n steps. */
function sortCosts(keysOf: (args: readonly Value[]) => Value): Pick<Overload, "cost" | "steps"> {
  return {
    cost: (args) => selfCompareCost(keysOf(args)),
    steps: (args) => costSize(keysOf(args)) * Math.log2(costSize(keysOf(args)) + 1),
  };
}

/**
 * `list.sortBy(x, key)`: the list bound to a variable and sorted by the keys that its items map to.
 */
const SORT_BY: Macro = {
  name: "sortBy",
  member: true,
  arity: 2,
  expand: (maker, args, target) => {
    if (!SORTABLE.has(target!.is)) {
      maker.fail(
        "sortBy can only be applied to a list, identifier, comprehension, call or " +
          "select expression",
        target,
      );
    }
    const input = (): Expr => maker.ident(SORT_INPUT);
    const keys = MAP_MACRO.expand(maker, args, input())!;
    const sorted = maker.method("@sortByAssociatedKeys", input(), keys);
    return binding(maker, SORT_INPUT, target!, sorted);
  },
};

const SORT_INPUT = "@__sortBy_input__";
const SORTABLE = new Set(["list", "select", "ident", "comprehension", "call"]);
const MAP_MACRO = STANDARD_MACROS.find(({ name, arity }) => name === "map" && arity === 2)!;

const T = parameter("T");
const LIST = listOf(T);
const NESTED = listOf(LIST);

export const listsExtension: Library = {
  name: "cel.lib.ext.lists",
  macros: [SORT_BY],
  functions: functions({
    slice: [
      method("list_slice", [LIST, INT, INT], LIST, slice, {
        cost: listCost,
        estimate: estimateSlice,
      }),
    ],
    flatten: [
      method("list_flatten", [NESTED], LIST, flatten, {
        cost: flattenCost,
        estimate: estimateFlatten,
      }),
      method("list_flatten_int", [listOf(DYN), INT], listOf(DYN), flatten, {
        cost: flattenCost,
        estimate: estimateFlatten,
      }),
    ],
    sort: COMPARABLE.map((type) =>
      method(
        `list_${type.name}_sort`,
        [listOf(type)],
        listOf(type),
        (list: ListValue) => sortBy(list, list),
        { ...sortCosts(([list]) => list!), estimate: estimateSort(type, true) },
      ),
    ),
    "@sortByAssociatedKeys": COMPARABLE.map((type) =>
      method(`list_${type.name}_sortByAssociatedKeys`, [LIST, listOf(type)], LIST, sortBy, {
        ...sortCosts(([, keys]) => keys!),
        estimate: estimateSort(type, false),
      }),
    ),
    "lists.range": [
      call("lists_range", [INT], listOf(INT), range, { cost: listCost, estimate: estimateRange }),
    ],
    reverse: [
      method("list_reverse", [LIST], LIST, reverse, { cost: listCost, estimate: estimateReverse }),
    ],
    distinct: [
      method("list_distinct", [LIST], LIST, distinct, {
        cost: ([list]) => selfCompareCost(list!),
        steps: ([list]) => costSize(list!) ** 2,
        estimate: estimateDistinct,
      }),
    ],
  }),
};

/** Whether each item of the second list is in the first. */
function includesAll(list: ListValue, items: ListValue): boolean {
  for (const each of items) if (!contains(each, list)) return false;
  return true;
}

const equivalent = (a: ListValue, b: ListValue): boolean => includesAll(a, b) && includesAll(b, a);

function intersects(a: ListValue, b: ListValue): boolean {
  for (const each of a) if (contains(each, b)) return true;
  return false;
}

const setFunction = (name: string, factor: number, implement: Overload["call"]): Overload[] => [
  call(`list_sets_${name}_list`, [LIST, LIST], BOOL, implement, {
    cost: setsCost(factor),
    steps: setsCost(factor),
    estimate: estimateSets(factor),
  }),
];

export const setsLibrary: Library = {
  name: "cel.lib.ext.sets",
  functions: functions({
    "sets.contains": setFunction("contains", 1, includesAll),
    "sets.equivalent": setFunction("equivalent", 2, equivalent),
    "sets.intersects": setFunction("intersects", 1, intersects),
  }),
};
