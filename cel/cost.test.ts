/** cel-go's tables of costs, which scripts/cel-testdata.ts converted. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Environment } from "./environment.ts";
import { fromJson, Message } from "./json.ts";
import type { CostModel, Library, SizeEstimator, TypeProvider } from "./library.ts";
import { exactly } from "./ranges.ts";
import { parseType } from "./testing/cases.ts";
import { BYTES, DOUBLE, INT, listOf, objectType, STRING, type Type } from "./types.ts";
import { ErrorValue, type Value } from "./value.ts";

interface Case {
  readonly name: string;
  readonly expr: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly input?: Readonly<Record<string, unknown>>;
  readonly presenceTestCosts?: boolean;
  readonly limit?: number;
  readonly cost?: number;
  readonly estimate?: readonly [string, string];
}

type Table = { readonly cases: readonly Case[]; readonly leftOut: readonly string[] };

function table(name: string): Table {
  const text = readFileSync(join(import.meta.dirname, `testdata/cost-${name}.yaml`), "utf8");
  return parse(text) as Table;
}

/** A message with some of the fields of cel-go's test message, at their defaults. */
const TEST_TYPE = objectType("google.expr.proto3.test.TestAllTypes");
const FIELDS: Readonly<Record<string, { type: Type; value: Value }>> = {
  single_int32: { type: INT, value: 0n },
  single_float: { type: DOUBLE, value: 0 },
  single_string: { type: STRING, value: "" },
};

class TestMessage extends Message {
  override get(field: string): Value | undefined {
    return super.get(field) ?? FIELDS[field]?.value;
  }
}

const PROVIDER: TypeProvider = {
  findType: (name) => (name === TEST_TYPE.name ? TEST_TYPE : undefined),
  findField: (_type, field) => FIELDS[field],
  construct: (_type, fields) => new TestMessage(TEST_TYPE, fields),
};

/** A function with a cost of its own, as the tables' estimators give it. */
const COSTS: CostModel = {
  callCost: (_name, overload) => (overload === "timestamp_to_year" ? 7 : undefined),
  estimateCall: (_name, overload) =>
    overload === "timestamp_to_year" ? { cost: exactly(7) } : undefined,
};

const MAXIMUM: Library = {
  name: "maximum",
  functions: [
    {
      name: "max",
      overloads: [
        {
          id: "list_bytes_max",
          member: true,
          args: [listOf(BYTES)],
          result: BYTES,
          call: () => new Uint8Array(),
        },
      ],
    },
  ],
};

function compile({ expr, variables = {}, presenceTestCosts = true }: Case) {
  const types = Object.entries(variables).map(([name, type]) => [name, parseType(type)] as const);
  const environment = new Environment({
    libraries: [MAXIMUM],
    provider: PROVIDER,
    costs: COSTS,
    presenceTestCosts,
    variables: Object.fromEntries(types),
  });
  const { program, errors } = environment.compile(expr);
  if (errors !== undefined) throw new Error(errors.message);
  return { program, types: new Map(types) };
}

function inputValue(data: unknown, type: Type): Value {
  const { bytes, timestamp } = data as { bytes?: string; timestamp?: string };
  if (bytes !== undefined) return new Uint8Array(Buffer.from(bytes));
  if (timestamp !== undefined) return fromJson(timestamp, type);
  return type.is(TEST_TYPE)
    ? new TestMessage(TEST_TYPE, new Map())
    : fromJson(data, type, {
        ...PROVIDER,
        // Messages in lists and maps are JSON here, with the fields' defaults.
        findField: (_type, field) => FIELDS[field],
      });
}

describe("the estimated cost is cel-go's", () => {
  const { cases, leftOut } = table("estimated");
  it.each(cases)("$name: $expr", (each) => {
    const { program } = compile(each);
    const sizes: SizeEstimator = {
      estimateSize: ({ path = [], type }) => {
        const size = each.sizes?.[path.join(".")];
        if (size !== undefined) return { min: 0n, max: BigInt(size) };
        return type.is(BYTES) ? { min: 0n, max: 12n } : undefined;
      },
    };
    const { min, max } = program.estimateCost(sizes);
    expect([String(min), String(max)]).toEqual(each.estimate);
  });

  it("leaves out two cases, which replace a function's estimate by code", () => {
    expect(leftOut).toEqual(["str concat custom cost estimate", "bytes list max"]);
  });
});

describe("the cost at run time is cel-go's, and within its estimate", () => {
  const { cases, leftOut } = table("runtime");
  it.each(cases)("$name: $expr", (each) => {
    const { program, types } = compile(each);
    const input = Object.entries(each.input ?? {}).filter(([name]) => types.has(name));
    const variables = Object.fromEntries(
      input.map(([name, data]) => [name, inputValue(data, types.get(name)!)]),
    );
    const { value, cost } = program.evaluate(variables, { costMax: each.limit ?? Infinity });
    if (each.cost === undefined) {
      expect((value as ErrorValue).message).toContain("actual cost limit exceeded");
      return;
    }
    expect(cost).toBe(each.cost);
    const { min, max } = program.estimateCost();
    expect(cost >= min && cost <= max).toBe(true);
  });

  it("leaves out one case, which replaces a function's cost by code", () => {
    expect(leftOut).toEqual(["str concat custom cost tracker"]);
  });
});
