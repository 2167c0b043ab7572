/** Expressions and stored values that were made to harm: each ends, and with the answer it has. */
import { describe, expect, it } from "vitest";
import { Environment } from "./environment.ts";
import { toJson } from "./json.ts";
import { schemaValue } from "./schema-values.ts";
import { DYN } from "./types.ts";
import { isError, type Value } from "./value.ts";

const ENVIRONMENT = new Environment({ variables: { self: DYN } });

function evaluate(text: string, self: Value = null): unknown {
  const { program, errors } = ENVIRONMENT.compile(text);
  if (errors !== undefined) return errors.issues[0]?.message ?? errors.message;
  const { value } = program.evaluate({ self }, { stepsMax: 1e9 });
  return isError(value) ? value.message : toJson(value);
}

describe("values that do not fit", () => {
  it.each([
    ["self.size > 0", { type: "integer" }, "abc"],
    ["self.size > 0", { type: "integer" }, Infinity],
    ["self.size > 0", { intOrString: true }, [1]],
    ["self.size > 0.0", { type: "number" }, "abc"],
    ["self.size.startsWith('a')", { type: "string" }, 5],
    ["self.size.matches('a')", { type: "string", format: "date-time" }, {}],
    ["self.size || self.size", { type: "boolean" }, 5],
    ["self.size[0]", { type: "array", listType: "set" }, "abc"],
    ["self.size.a", { type: "object" }, [1]],
    ["self.size.a", { type: "object", properties: new Map() }, "abc"],
  ])("%s is an error where %j has %j", (text, size, json) => {
    const properties = new Map([["size", size]]);
    const result = evaluate(text, schemaValue({ size: json }, { type: "object", properties }));
    expect(result).toMatch(/^no such (?:overload|key)/);
  });

  it("reads no offset from UTC of more than a day", () => {
    expect(evaluate("timestamp('2020-01-01T00:00:00Z').getHours('99999999999999:00')"))
      .toBe("invalid time zone offset: 99999999999999:00");
    expect(evaluate("timestamp('2020-01-01T00:00:00Z').getHours('-23:59')")).toBe(0);
  });

  it("keeps every digit of an integer", () => {
    expect(evaluate("[9007199254740993, 9007199254740991]"))
      .toEqual([9007199254740993n, 9007199254740991]);
    expect(evaluate("18446744073709551615u")).toBe(18446744073709551615n);
  });
});
