import type { FieldError } from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps, ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { describe, expect, it } from "vitest";
import { STRICT } from "./leniency.ts";
import { validateSchema } from "./schema.ts";

const ADVICE =
  "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength " +
  "where arrays, maps, and strings are declared)";

function ruled(schema: JSONSchemaProps, ...rules: readonly ValidationRule[]): JSONSchemaProps {
  return { ...schema, "x-kubernetes-validations": [...rules] };
}

function objectOf(name: string, schema: JSONSchemaProps): JSONSchemaProps {
  return { type: "object", properties: { [name]: schema } };
}

function errorsOf(schema: JSONSchemaProps, isUnchanged = false): FieldError[] {
  return validateSchema(schema, "schema", {
    hasStatus: false,
    structural: true,
    leniency: STRICT,
    isUnchanged,
  });
}

function textsOf(schema: JSONSchemaProps, isUnchanged = false): string[] {
  return errorsOf(schema, isUnchanged).map(({ field, detail }) => `${field}: ${detail}`);
}

const TEXTS: JSONSchemaProps = { type: "array", items: { type: "string" } };
const QUADRATIC = { rule: "self.all(x, self.all(y, x == y))" };

describe("the estimated cost of a rule", () => {
  it("is limited, and the error says by how much it is exceeded", () => {
    expect(textsOf(objectOf("a", ruled(TEXTS, QUADRATIC)))).toEqual([
      "schema.properties[a].x-kubernetes-validations[0].rule: estimated rule cost exceeds " +
        `budget by factor of more than 100x ${ADVICE}`,
      "schema.properties[a].x-kubernetes-validations[0].rule: contributed to estimated rule cost " +
        "total exceeding cost limit for entire OpenAPIv3 schema",
      "schema: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema " +
        `exceeds budget by factor of more than 100x ${ADVICE}`,
    ]);
  });

  it("follows from bounds", () => {
    const bounded = { type: "array", maxItems: 10, items: { type: "string", maxLength: 20 } };
    expect(textsOf(objectOf("a", ruled(bounded, QUADRATIC)))).toEqual([]);
  });

  it("is multiplied by how often its value can occur", () => {
    const item = ruled({ type: "string", maxLength: 100 }, { rule: "self.matches('^[a-z]+$')" });
    const list = (maxItems?: number): JSONSchemaProps =>
      objectOf("a", { type: "array", items: item, ...(maxItems !== undefined && { maxItems }) });
    expect(textsOf(list(100))).toEqual([]);
    expect(textsOf(list())[0]).toMatch(/exceeds budget by factor of \d+\.\dx/);
  });

  it("is not limited in a schema that did not change, but the sum of all is", () => {
    const [first = "", ...rest] = textsOf(objectOf("a", ruled(TEXTS, QUADRATIC)), true);
    expect(first).toMatch(/contributed to estimated rule cost total/);
    expect(rest).toHaveLength(1);
  });
});

describe("a rule about a change", () => {
  const rule = { rule: "self == oldSelf" };

  it("needs values that correspond to old ones", () => {
    const items = ruled({ type: "integer" }, rule);
    const list = objectOf("a", { type: "array", maxItems: 5, items });
    expect(textsOf(list)).toEqual([
      "schema.properties[a].items.x-kubernetes-validations[0].rule: oldSelf cannot be used on " +
        "the uncorrelatable portion of the schema within schema.properties[a]",
    ]);
    expect(textsOf(objectOf("a", ruled({ type: "integer" }, rule)))).toEqual([]);
  });

  it("has optionalOldSelf only if it refers to the old value", () => {
    const schema = ruled({ type: "integer" }, { rule: "self > 0", optionalOldSelf: true });
    expect(textsOf(objectOf("a", schema))).toEqual([
      "schema.properties[a].x-kubernetes-validations[0].optionalOldSelf: may not be set if " +
        "oldSelf is not used in rule",
    ]);
  });
});

describe("an expression", () => {
  it.each([
    ["self > 'a'", "found no matching overload for '_>_' applied to '(int, string)'"],
    ["self.foo", "type 'int' does not support field selection"],
    ["oops", "undeclared reference to 'oops' (in container '')"],
    ["self", "cel expression must evaluate to a bool"],
  ])("is checked by the schema's types: %s", (rule, complaint) => {
    const [error] = errorsOf(objectOf("a", ruled({ type: "integer" }, { rule })));
    expect(error?.detail).toContain(complaint);
    expect(error?.value).toMatchObject({ Rule: rule });
  });

  it("sees integers or texts in a place that has a default", () => {
    const rule = { rule: "!has(self.port) || self.port == 80" };
    const spec: JSONSchemaProps = {
      type: "object",
      default: {},
      properties: { port: { "x-kubernetes-int-or-string": true } },
    };
    expect(textsOf(objectOf("spec", ruled(spec, rule)))).toEqual([]);
    const wrong = textsOf(objectOf("spec", ruled({ ...spec, default: { port: 81 } }, rule)));
    expect(wrong[0]).toContain("failed rule");
  });

  it("of a message must give a text", () => {
    const rule = { rule: "self > 0", messageExpression: "self" };
    expect(textsOf(objectOf("a", ruled({ type: "integer" }, rule)))).toEqual([
      "schema.properties[a].x-kubernetes-validations[0].messageExpression: messageExpression " +
        "must evaluate to a string",
    ]);
  });
});
