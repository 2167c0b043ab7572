/**
 * The standard library: operators, conversions, strings and times, with cel-go's overload ids.
 * `_&&_`, `_||_`, `_?_:_`, `_==_`, `_!=_` and indexes are planned as such; they are declared here
 * for their types.
 */
import { concat, concatSteps } from "./collections.ts";
import { toBool, toDouble, toDuration, toInt, toText, toTimestamp, toUint } from "./conversions.ts";
import { error, NO_OVERLOAD } from "./failures.ts";
import { functions, method, call as overload } from "./libraries/declare.ts";
import type { FunctionDeclaration, Library, Overload } from "./library.ts";
import { STANDARD_MACROS } from "./macros.ts";
import {
  compare,
  contains,
  duration,
  int,
  keysSteps,
  lengthOf,
  timestamp,
  typeOfValue,
  uint,
} from "./operations.ts";
import { compileRegex, matchSteps } from "./regex.ts";
import { type TimeField, timeField } from "./time.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  NULL,
  parameter,
  STRING,
  TIMESTAMP,
  TYPE,
  type Type,
  typeOf,
  UINT,
} from "./types.ts";
import type { Duration, ListValue, MapValue, Outcome, Timestamp, Uint, Value } from "./value.ts";

type Call = Overload["call"];

const A = parameter("A");
const B = parameter("B");
const LIST = listOf(A);
const MAP = mapOf(A, B);

function binary(id: string, type: Type, call: Call): Overload {
  return overload(id, [type, type], type, call);
}

const special: Call = () => NO_OVERLOAD;

const LOGIC: readonly FunctionDeclaration[] = functions({
  "_?_:_": [overload("conditional", [BOOL, A, A], A, special)],
  "_&&_": [overload("logical_and", [BOOL, BOOL], BOOL, special)],
  "_||_": [overload("logical_or", [BOOL, BOOL], BOOL, special)],
  "!_": [overload("logical_not", [BOOL], BOOL, (a: boolean) => !a)],
  "@not_strictly_false": [
    {
      ...overload("not_strictly_false", [BOOL], BOOL, (a: Outcome) => a !== false),
      nonStrict: true,
    },
  ],
  "_==_": [overload("equals", [A, A], BOOL, special)],
  "_!=_": [overload("not_equals", [A, A], BOOL, special)],
  "_[_]": [
    overload("index_list", [LIST, INT], A, special),
    overload("index_map", [MAP, A], B, special),
  ],
  "@in": [
    overload("in_list", [A, LIST], BOOL, contains, { steps: (args) => sizeOf(args[1]!) }),
    overload("in_map", [A, MAP], BOOL, contains),
  ],
});

const sizeOf = (value: Value): number => (value as ListValue).size;

const ZERO_DIVISION = error("division by zero");
const ZERO_MODULUS = error("modulus by zero");

const ARITHMETIC: readonly FunctionDeclaration[] = functions({
  "_+_": [
    binary(
      "add_bytes",
      BYTES,
      (a: Uint8Array, b: Uint8Array) => new Uint8Array(Buffer.concat([a, b])),
    ),
    binary("add_double", DOUBLE, (a: number, b: number) => a + b),
    binary("add_duration_duration", DURATION, (a: Duration, b: Duration) =>
      duration(a.nanos + b.nanos),
    ),
    overload(
      "add_duration_timestamp",
      [DURATION, TIMESTAMP],
      TIMESTAMP,
      (a: Duration, b: Timestamp) => timestamp(a.nanos + b.nanos, b.offset_s),
    ),
    overload(
      "add_timestamp_duration",
      [TIMESTAMP, DURATION],
      TIMESTAMP,
      (a: Timestamp, b: Duration) => timestamp(a.nanos + b.nanos, a.offset_s),
    ),
    binary("add_int64", INT, (a: bigint, b: bigint) => int(a + b)),
    { ...binary("add_list", LIST, concat), steps: concatSteps },
    binary("add_string", STRING, (a: string, b: string) => a + b),
    binary("add_uint64", UINT, (a: Uint, b: Uint) => uint(a.value + b.value)),
  ],
  "_-_": [
    binary("subtract_double", DOUBLE, (a: number, b: number) => a - b),
    binary("subtract_duration_duration", DURATION, (a: Duration, b: Duration) =>
      duration(a.nanos - b.nanos),
    ),
    binary("subtract_int64", INT, (a: bigint, b: bigint) => int(a - b)),
    overload(
      "subtract_timestamp_duration",
      [TIMESTAMP, DURATION],
      TIMESTAMP,
      (a: Timestamp, b: Duration) => timestamp(a.nanos - b.nanos, a.offset_s),
    ),
    overload(
      "subtract_timestamp_timestamp",
      [TIMESTAMP, TIMESTAMP],
      DURATION,
      (a: Timestamp, b: Timestamp) => duration(a.nanos - b.nanos),
    ),
    binary("subtract_uint64", UINT, (a: Uint, b: Uint) => uint(a.value - b.value)),
  ],
  "_*_": [
    binary("multiply_double", DOUBLE, (a: number, b: number) => a * b),
    binary("multiply_int64", INT, (a: bigint, b: bigint) => int(a * b)),
    binary("multiply_uint64", UINT, (a: Uint, b: Uint) => uint(a.value * b.value)),
  ],
  "_/_": [
    binary("divide_double", DOUBLE, (a: number, b: number) => a / b),
    binary("divide_int64", INT, (a: bigint, b: bigint) => (b === 0n ? ZERO_DIVISION : int(a / b))),
    binary("divide_uint64", UINT, (a: Uint, b: Uint) =>
      b.value === 0n ? ZERO_DIVISION : uint(a.value / b.value),
    ),
  ],
  "_%_": [
    binary("modulo_int64", INT, (a: bigint, b: bigint) => (b === 0n ? ZERO_MODULUS : a % b)),
    binary("modulo_uint64", UINT, (a: Uint, b: Uint) =>
      b.value === 0n ? ZERO_MODULUS : uint(a.value % b.value),
    ),
  ],
  "-_": [
    overload("negate_double", [DOUBLE], DOUBLE, (a: number) => -a),
    overload("negate_int64", [INT], INT, (a: bigint) => int(-a)),
  ],
});

const COMPARED: readonly (readonly [string, readonly Type[]])[] = [
  ["bool", [BOOL, BOOL]],
  ["int64", [INT, INT]],
  ["int64_double", [INT, DOUBLE]],
  ["int64_uint64", [INT, UINT]],
  ["uint64", [UINT, UINT]],
  ["uint64_double", [UINT, DOUBLE]],
  ["uint64_int64", [UINT, INT]],
  ["double", [DOUBLE, DOUBLE]],
  ["double_int64", [DOUBLE, INT]],
  ["double_uint64", [DOUBLE, UINT]],
  ["string", [STRING, STRING]],
  ["bytes", [BYTES, BYTES]],
  ["timestamp", [TIMESTAMP, TIMESTAMP]],
  ["duration", [DURATION, DURATION]],
];

function comparison(
  name: string,
  prefix: string,
  holds: (order: number) => boolean,
): FunctionDeclaration {
  const call = (a: Value, b: Value): Outcome => {
    const order = compare(a, b);
    return typeof order === "number" ? holds(order) : order;
  };
  return {
    name,
    overloads: COMPARED.map(([id, args]) => overload(`${prefix}_${id}`, args, BOOL, call)),
  };
}

const COMPARISONS: readonly FunctionDeclaration[] = [
  comparison("_<_", "less", (order) => order < 0),
  comparison("_<=_", "less_equals", (order) => order <= 0),
  comparison("_>_", "greater", (order) => order > 0),
  comparison("_>=_", "greater_equals", (order) => order >= 0),
];

const SIZED: readonly (readonly [string, Type, Call])[] = [
  ["bytes", BYTES, (a: Uint8Array) => BigInt(a.length)],
  ["list", LIST, (a: ListValue) => BigInt(a.size)],
  ["map", MAP, (a: MapValue) => BigInt(a.size)],
  ["string", STRING, (a: string) => BigInt(lengthOf(a))],
];

const same = (value: Value): Value => value;

function conversions(
  name: string,
  to: Type,
  list: readonly (readonly [string, Type, Call])[],
): FunctionDeclaration {
  return { name, overloads: list.map(([id, from, call]) => overload(id, [from], to, call)) };
}

const CONVERSIONS: readonly FunctionDeclaration[] = [
  {
    name: "size",
    overloads: SIZED.flatMap(([id, type, call]) => [
      overload(`size_${id}`, [type], INT, call),
      method(`${id}_size`, [type], INT, call),
    ]).map((each) =>
      each.args[0] === MAP ? { ...each, steps: ([map]) => keysSteps(map!) } : each,
    ),
  },
  { name: "type", overloads: [overload("type", [A], typeOf(A), typeOfValue)] },
  { name: "dyn", overloads: [overload("to_dyn", [A], DYN, same)] },
  conversions("bool", BOOL, [
    ["bool_to_bool", BOOL, same],
    ["string_to_bool", STRING, toBool],
  ]),
  conversions("bytes", BYTES, [
    ["bytes_to_bytes", BYTES, same],
    ["string_to_bytes", STRING, (text: string) => new Uint8Array(Buffer.from(text))],
  ]),
  conversions("double", DOUBLE, [
    ["double_to_double", DOUBLE, same],
    ["int64_to_double", INT, (value: bigint) => Number(value)],
    ["string_to_double", STRING, toDouble],
    ["uint64_to_double", UINT, ({ value }: Uint) => Number(value)],
  ]),
  conversions("duration", DURATION, [
    ["duration_to_duration", DURATION, same],
    ["int64_to_duration", INT, toDuration],
    ["string_to_duration", STRING, toDuration],
  ]),
  conversions("int", INT, [
    ["int64_to_int64", INT, same],
    ["double_to_int64", DOUBLE, toInt],
    ["duration_to_int64", DURATION, toInt],
    ["string_to_int64", STRING, toInt],
    ["timestamp_to_int64", TIMESTAMP, toInt],
    ["uint64_to_int64", UINT, toInt],
  ]),
  conversions("string", STRING, [
    ["string_to_string", STRING, same],
    ["bool_to_string", BOOL, toText],
    ["bytes_to_string", BYTES, toText],
    ["double_to_string", DOUBLE, toText],
    ["duration_to_string", DURATION, toText],
    ["int64_to_string", INT, toText],
    ["timestamp_to_string", TIMESTAMP, toText],
    ["uint64_to_string", UINT, toText],
  ]),
  conversions("timestamp", TIMESTAMP, [
    ["timestamp_to_timestamp", TIMESTAMP, same],
    ["int64_to_timestamp", INT, toTimestamp],
    ["string_to_timestamp", STRING, toTimestamp],
  ]),
  conversions("uint", UINT, [
    ["uint64_to_uint64", UINT, same],
    ["double_to_uint64", DOUBLE, toUint],
    ["int64_to_uint64", INT, toUint],
    ["string_to_uint64", STRING, toUint],
  ]),
];

function matches(text: string, pattern: string): Outcome {
  const regex = compileRegex(pattern);
  return typeof regex === "string" ? error(regex) : regex.matcher(text).find();
}

const STRINGS: readonly FunctionDeclaration[] = functions({
  contains: [
    method("contains_string", [STRING, STRING], BOOL, (text: string, part: string) =>
      text.includes(part),
    ),
  ],
  endsWith: [
    method("ends_with_string", [STRING, STRING], BOOL, (text: string, end: string) =>
      text.endsWith(end),
    ),
  ],
  startsWith: [
    method("starts_with_string", [STRING, STRING], BOOL, (text: string, start: string) =>
      text.startsWith(start),
    ),
  ],
  matches: [
    overload("matches", [STRING, STRING], BOOL, matches, { steps: matchSteps }),
    method("matches_string", [STRING, STRING], BOOL, matches, { steps: matchSteps }),
  ],
});

/** Fields of timestamps by the overload ids' last part, and of durations by the unit's size. */
const FIELDS: readonly (readonly [TimeField, string, bigint?])[] = [
  ["getFullYear", "year"],
  ["getMonth", "month"],
  ["getDayOfYear", "day_of_year"],
  ["getDayOfMonth", "day_of_month"],
  ["getDate", "day_of_month_1_based"],
  ["getDayOfWeek", "day_of_week"],
  ["getHours", "hours", 3_600_000_000_000n],
  ["getMinutes", "minutes", 60_000_000_000n],
  ["getSeconds", "seconds", 1_000_000_000n],
  ["getMilliseconds", "milliseconds", 1_000_000n],
];

const TIMES: readonly FunctionDeclaration[] = FIELDS.map(([name, id, unit]) => {
  const zoned = id === "seconds" ? "timestamp_to_seconds_tz" : `timestamp_to_${id}_with_tz`;
  const overloads = [
    method(`timestamp_to_${id}`, [TIMESTAMP], INT, (time: Timestamp) =>
      timeField(name, time, "UTC"),
    ),
    method(zoned, [TIMESTAMP, STRING], INT, (time: Timestamp, zone: string) =>
      timeField(name, time, zone),
    ),
  ];
  if (unit === undefined) return { name, overloads };
  const call = ({ nanos }: Duration): Outcome => nanos / unit;
  return { name, overloads: [...overloads, method(`duration_to_${id}`, [DURATION], INT, call)] };
});

/** The library that every environment has. */
export const STANDARD: Library = {
  name: "cel.lib.std",
  functions: [...LOGIC, ...ARITHMETIC, ...COMPARISONS, ...CONVERSIONS, ...STRINGS, ...TIMES],
  macros: STANDARD_MACROS,
  types: [
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    listOf(DYN),
    mapOf(DYN, DYN),
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
  ],
};
