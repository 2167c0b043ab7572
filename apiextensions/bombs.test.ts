/** Hostile schemas and objects: each ends in an error, in bounded work. */
import { messageOfField } from "@raft2kube/api/errors.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { UNKNOWN_FIELDS_MAX } from "@raft2kube/api/limits.ts";
import { compiling } from "@raft2kube/cel/budget.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { expect, test } from "vitest";
import { customKinds } from "./custom-kinds.ts";
import { decodeObject } from "./decode.ts";
import { definitionKind } from "./definition/kind.ts";
import { validateStructural } from "./definition/structural-rules.ts";
import { validateEmbedded } from "./embedded.ts";
import { hasFormat } from "./formats.ts";
import { JsonPathError, parseJsonPath } from "./json-path.ts";
import {
  CHECKED_PLACES_MAX,
  COLUMN_TEXT_LENGTH_MAX,
  COLUMNS_MAX,
  DEFAULTED_VALUES_MAX,
  ERRORS_CHARACTERS_MAX,
  ERRORS_MAX,
  JSON_PATH_LENGTH_MAX,
  JSON_PATH_RESULTS_MAX,
  QUICK_DEFAULTS_MAX,
} from "./limits.ts";
import { validateLists } from "./lists.ts";
import { structuralOf } from "./structural.ts";
import { validateValue } from "./validate.ts";

const names = { plural: "bombs", singular: "bomb", kind: "Bomb", listKind: "BombList" };

function definitionOf(properties: { [name: string]: JSONSchemaProps }): CustomResourceDefinition {
  return {
    metadata: { name: "bombs.example.com" },
    spec: {
      group: "example.com",
      names,
      scope: "Namespaced",
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties } },
        },
      ],
    },
    status: { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: ["v1"] },
  };
}

function errorsOf(properties: { [name: string]: JSONSchemaProps }): string[] {
  const crd = definitionOf(properties);
  return definitionKind.strategy.validateCreate(crd, { now_ms: 0 }).map(messageOfField);
}

test("alternatives in alternatives are counted, and a check of too many ends", () => {
  const doubled = (depth: number): JSONSchemaProps => ({
    anyOf: [{ maximum: -1 }, { maximum: -2 }],
    ...(depth === 0 ? {} : { allOf: [doubled(depth - 1), doubled(depth - 1)] }),
  });
  const schema = structuralOf({ type: "array", items: { type: "integer", ...doubled(6) } });
  const errors = validateValue(
    schema,
    Array.from({ length: 20_000 }, () => 1),
    undefined,
    "spec",
  );
  expect(errors.length).toBeLessThanOrEqual(ERRORS_MAX + 1);
  expect(messageOfField(errors.at(-1)!)).toContain(`has more than ${CHECKED_PLACES_MAX} values`);
});

test("enumerations and required members are counted, and the texts of errors are bounded", () => {
  const names = Array.from({ length: 50_000 }, (_, at) => `name${at}`);
  const ones = { type: "array", items: { type: "integer", enum: names } };
  const empty = { type: "array", items: { type: "object", required: names } };
  for (const [props, item] of [
    [ones, 1],
    [empty, {}],
  ] as const) {
    const errors = validateValue(
      structuralOf(props),
      Array.from({ length: 100_000 }, () => item),
    );
    expect(messageOfField(errors.at(-1)!)).toContain(`has more than ${CHECKED_PLACES_MAX} values`);
    expect(errors.length).toBeLessThanOrEqual(ERRORS_MAX + 1);
  }
  const long = "x".repeat(ERRORS_CHARACTERS_MAX / 4);
  const items = { type: "integer", enum: [long] };
  const value = Array.from({ length: 100 }, () => 1);
  const schema = structuralOf({ type: "array", items });
  expect(validateValue(schema, value)).toHaveLength(4);
});

test("patterns are matched in linear time, and those that RE2 lacks are refused", () => {
  const schema = structuralOf({ type: "string", pattern: "^(a+)+$" });
  expect(validateValue(schema, `${"a".repeat(50_000)}b`)).toHaveLength(1);
  expect(errorsOf({ spec: { type: "string", pattern: "(a)\\1" } })).toEqual([
    'spec.validation.openAPIV3Schema.properties[spec].pattern: Invalid value: "(a)\\\\1": must ' +
      "be a valid regular expression, but isn't: error parsing regexp: invalid escape sequence: " +
      "`\\1`",
  ]);
});

test("formats are checked without trying a text's parts again and again", () => {
  expect(hasFormat("email", `${"a".repeat(900)}!`)).toBe(false);
  expect(hasFormat("email", 'a.b "c d" e <a@b>')).toBe(true);
  expect(hasFormat("email", " a@b ")).toBe(true);
  expect(hasFormat("duration", "1".repeat(1_000_000))).toBe(false);
  expect(hasFormat("duration", `${"1".repeat(1_000_000)}s${"1s".repeat(1_000_000)}`)).toBe(true);
  for (const format of ["ipv4", "cidr"]) {
    expect(hasFormat(format, `.${"0".repeat(1_000_000)}x`)).toBe(false);
  }
  expect(hasFormat("ipv4", "010.001.00.4")).toBe(true);
});

const MANY = 130_000;

test("of many unknown fields and wrong parts, the first are named", () => {
  const schema = structuralOf({
    type: "object",
    properties: {
      set: { type: "array", "x-kubernetes-list-type": "set", items: { type: "integer" } },
      resources: {
        type: "array",
        items: {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          "x-kubernetes-preserve-unknown-fields": true,
        },
      },
    },
  });
  const unknown = Object.fromEntries(Array.from({ length: MANY }, (_, at) => [`x${at}`, 1]));
  const resources = Array.from({ length: 200 }, () => ({ metadata: { x: 1 } }));
  const decoded = decodeObject(schema, { ...unknown, metadata: { x: 1 } }, { strict: true });
  expect(decoded.unknownFields).toHaveLength(UNKNOWN_FIELDS_MAX);
  expect(decoded.object).toEqual({ metadata: {} });
  expect(decodeObject(schema, { resources }, { strict: true }).unknownFields).toHaveLength(
    UNKNOWN_FIELDS_MAX,
  );
  const set = Array.from({ length: MANY }, (_, at) => at >> 1);
  expect(validateLists(schema, { set })).toHaveLength(ERRORS_MAX);
  const empty = Array.from({ length: MANY }, () => ({}));
  expect(validateEmbedded(schema, { resources: empty })).toHaveLength(ERRORS_MAX);
});

test("of many wrong places of a schema, the first are named", () => {
  const propertiesOf = (each: JSONSchemaProps) =>
    Object.fromEntries(Array.from({ length: MANY / 10 }, (_, at) => [`x${at}`, each]));
  const most = { min: ERRORS_MAX, max: 2 * ERRORS_MAX };
  for (const each of [{}, { type: "string", default: 1 }, { type: "string", uniqueItems: true }]) {
    const { length } = errorsOf({ spec: { type: "object", properties: propertiesOf(each) } });
    expect(length).toBeGreaterThanOrEqual(most.min);
    expect(length).toBeLessThanOrEqual(most.max);
  }
  const long = "y".repeat(1024 * 1024);
  expect(
    validateStructural(
      { type: "object", properties: { [long]: { type: "object", properties: propertiesOf({}) } } },
      "schema",
    ),
  ).toHaveLength(1);
});

test("an integer past 2^53 is compared with a factor that is not whole", () => {
  const schema = structuralOf({ type: "integer", multipleOf: 2.5 });
  const texts = validateValue(schema, 9007199254740993n).map(messageOfField);
  expect(texts).toEqual([expect.stringContaining("MultipleOf value must be of type integer")]);
});

test("objects nested deeper than bodies may be are refused", () => {
  let spec: object = {};
  for (let depth = 0; depth < 100_000; depth++) spec = { spec };
  const schema = structuralOf({ type: "object", "x-kubernetes-preserve-unknown-fields": true });
  expect(() => decodeObject(schema, spec, { strict: true })).toThrow("exceeded max depth");
});

test("defaults that would multiply are refused on writing, and left out on reading", () => {
  const large = Array.from({ length: 10_000 }, () => 1);
  const many: JSONSchemaProps = { type: "array", items: { type: "integer" }, default: large };
  const items = {
    type: "array",
    items: { type: "object", properties: { a: many, b: { type: "string" } } },
  };
  const [kind] = customKinds(definitionOf({ items }));
  const make = () => ({
    apiVersion: "example.com/v1",
    kind: "Bomb",
    metadata: { name: "a" },
    items: Array.from({ length: 100_000 }, (): { a?: unknown } => ({})),
  });
  expect(() => kind!.strategy.defaults(make())).toThrow("write fewer items that have defaults");
  const read = kind!.fromStorage!(make()) as ReturnType<typeof make>;
  expect(read.items.filter(({ a }) => a !== undefined).length).toBeLessThanOrEqual(
    DEFAULTED_VALUES_MAX / large.length,
  );
  expect(read.items[0]).toEqual({ a: large });
});

test("defaults of many values are added off the event loop", () => {
  const properties = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`p${i}`, { type: "integer", default: i }]),
  );
  const items: JSONSchemaProps = { type: "array", items: { type: "object", properties } };
  const [kind] = customKinds(definitionOf({ items }));
  const make = (length: number) => ({
    apiVersion: "example.com/v1",
    kind: "Bomb",
    metadata: { name: "a" },
    items: Array.from({ length }, () => ({})),
  });
  const many = QUICK_DEFAULTS_MAX / 100 + 1;
  expect(() => kind!.strategy.defaults(make(many), 1)).toThrow(StepsExceededError);
  const object = make(many);
  kind!.strategy.defaults(object);
  expect(Object.keys(object.items.at(-1)!)).toHaveLength(100);
  expect(() => kind!.strategy.defaults(make(many - 1), 1)).not.toThrow();
});

test("references and unique items are refused", () => {
  const errors = errorsOf({
    spec: {
      type: "object",
      properties: {
        a: { $ref: "#/x" },
        b: { type: "array", items: { type: "string" }, uniqueItems: true },
      },
    },
  });
  const at = "spec.validation.openAPIV3Schema.properties[spec].properties";
  expect(errors).toContain(`${at}[a].$ref: Forbidden: $ref is not supported`);
  expect(errors).toContain(
    `${at}[b].uniqueItems: Forbidden: uniqueItems cannot be set to true ` +
      "since the runtime complexity becomes quadratic",
  );
});

test("a path that multiplies its values ends", () => {
  const deep = (depth: number): object =>
    depth === 0 ? { x: 1 } : { a: deep(depth - 1), b: deep(depth - 1) };
  const path = parseJsonPath("...*...*...*");
  expect(() => path(deep(10))).toThrow(JsonPathError);
});

test("the values of all steps of a path are counted, and its steps end with them", () => {
  const list = Array.from({ length: JSON_PATH_RESULTS_MAX - 1 }, () => ({ a: { b: 1 } }));
  expect(parseJsonPath(".x[*]")({ x: list })).toHaveLength(list.length);
  expect(() => parseJsonPath(".x[*].a.b")({ x: list })).toThrow(JsonPathError);
  const doubled = `[${Array.from({ length: 1_000 }, () => "0").join(",")}]`;
  expect(() => parseJsonPath(doubled + doubled)([[1]])).toThrow(JsonPathError);
  const ends = parseJsonPath(`.none${".x".repeat(1_000)}`);
  expect(ends({})).toEqual([]);
  const long = ".x".repeat(JSON_PATH_LENGTH_MAX);
  expect(() => parseJsonPath(long)).toThrow(`longer than ${JSON_PATH_LENGTH_MAX}`);
});

test("values that a path passes by are counted, and what it leaves out is not read", () => {
  const list = Array.from({ length: 10_000 }, (_, at) => at);
  expect(parseJsonPath("...list[1]")({ list })).toEqual([1]);
  expect(() => parseJsonPath("..".repeat(100))({ list })).toThrow(JsonPathError);
  let read = 0;
  const counted = new Proxy(list, {
    get(target, name, receiver): unknown {
      read++;
      return Reflect.get(target, name, receiver);
    },
  });
  expect(parseJsonPath("[1::4000]")(counted)).toEqual([1, 4_001, 8_001]);
  expect(parseJsonPath("[-2:]")(counted)).toEqual([9_998, 9_999]);
  expect(read).toBeLessThan(50);
});

test("names and descriptions of columns are cut, as each answer has them", () => {
  const long = "x".repeat(COLUMN_TEXT_LENGTH_MAX + 1);
  const crd = definitionOf({});
  crd.spec.versions[0]!.additionalPrinterColumns = [
    { name: long, type: "string", jsonPath: ".a", description: long },
  ];
  const [, column] = customKinds(crd)[0]!.columns;
  expect(column).toMatchObject({ name: long.slice(1), description: long.slice(1) });
});

test("a definition has a bounded number of columns, with bounded paths", () => {
  const column = { name: "a", type: "string", jsonPath: ".a" };
  const errorsFor = (columns: CustomResourceColumnDefinition[]) => {
    const crd = definitionOf({});
    crd.spec.versions[0]!.additionalPrinterColumns = columns;
    return definitionKind.strategy.validateCreate(crd, { now_ms: 0 }).map(messageOfField);
  };
  const columns = (count: number) => Array.from({ length: count }, () => column);
  expect(errorsFor(columns(COLUMNS_MAX))).toEqual([]);
  expect(errorsFor(columns(COLUMNS_MAX + 1))).toEqual([
    `spec.additionalPrinterColumns: Too many: ${COLUMNS_MAX + 1}: must have at most ` +
      `${COLUMNS_MAX} items`,
  ]);
  expect(errorsFor([{ ...column, jsonPath: ".x".repeat(JSON_PATH_LENGTH_MAX) }])).toEqual([
    "spec.additionalPrinterColumns[0].JSONPath: Too long: may not be more than " +
      `${JSON_PATH_LENGTH_MAX} bytes`,
  ]);
});

test("rules of many places, or long ones, are compiled off the event loop", () => {
  const rule = "self >= 0";
  const place = (): JSONSchemaProps => ({
    type: "integer",
    "x-kubernetes-validations": [{ rule }],
  });
  const places = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, place()]));
  const terms = Array.from({ length: 5_000 }, (_, index) => `self.p0 >= -${index}`).join(" && ");
  const long = { ...places(1), q: { type: "string" } };
  const withLong: JSONSchemaProps = {
    type: "object",
    properties: long,
    "x-kubernetes-validations": [{ rule: terms }],
  };
  const write = (spec: JSONSchemaProps, context: { now_ms: number; steps_max?: number }) => {
    const [kind] = customKinds(definitionOf({ spec }));
    const object = {
      apiVersion: "example.com/v1",
      kind: "Bomb",
      metadata: { name: "a", namespace: "b" },
      spec: { p0: -1 },
    };
    const quickly = context.steps_max !== undefined;
    return compiling(quickly, () => kind!.strategy.validateCreate(object, context));
  };
  const inLoop = { now_ms: 0, steps_max: 20_000 };
  for (const spec of [{ type: "object", properties: places(2_000) }, withLong]) {
    expect(() => write(spec, inLoop)).toThrow(StepsExceededError);
    expect(write(spec, { now_ms: 0 }).map(messageOfField)).toContain(
      `spec.p0: Invalid value: -1: failed rule: ${rule}`,
    );
  }
  expect(() => write({ type: "object", properties: places(20) }, inLoop)).not.toThrow();
});

test("a definition whose rules take long to compile is checked off the event loop", () => {
  const rule = Array.from({ length: 5_000 }, (_, index) => `${index} >= 0`).join(" && ");
  const spec = { type: "object", "x-kubernetes-validations": [{ rule }] };
  const check = () => definitionKind.strategy.validateCreate(definitionOf({ spec }), { now_ms: 0 });
  expect(() => compiling(true, check)).toThrow(StepsExceededError);
  expect(check).not.toThrow();
});
