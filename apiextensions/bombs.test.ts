/** Hostile schemas and objects: each ends in an error, in bounded work. */
import { messageOfField } from "@raft2kube/api/errors.ts";
import type {
  CustomResourceDefinition, JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { expect, test } from "vitest";
import { definitionKind } from "./definition/kind.ts";
import { hasFormat } from "./formats.ts";
import { JsonPathError, parseJsonPath } from "./json-path.ts";
import { CHECKED_PLACES_MAX, ERRORS_MAX } from "./limits.ts";
import { structuralOf } from "./structural.ts";
import { validateValue } from "./validate.ts";

const names = { plural: "bombs", singular: "bomb", kind: "Bomb", listKind: "BombList" };

function errorsOf(properties: { [name: string]: JSONSchemaProps }): string[] {
  const crd: CustomResourceDefinition = {
    metadata: { name: "bombs.example.com" },
    spec: {
      group: "example.com", names, scope: "Namespaced",
      versions: [{
        name: "v1", served: true, storage: true,
        schema: { openAPIV3Schema: { type: "object", properties } },
      }],
    },
    status: { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: ["v1"] },
  };
  return definitionKind.strategy.validateCreate(crd, { now_ms: 0 }).map(messageOfField);
}

test("alternatives in alternatives are counted, and a check of too many ends", () => {
  const doubled = (depth: number): JSONSchemaProps => ({
    anyOf: [{ maximum: -1 }, { maximum: -2 }],
    ...(depth === 0 ? {} : { allOf: [doubled(depth - 1), doubled(depth - 1)] }),
  });
  const schema = structuralOf({
    type: "array", items: { type: "integer", ...doubled(6) },
  });
  const errors = validateValue(schema, Array.from({ length: 20_000 }, () => 1), undefined, "spec");
  expect(errors.length).toBeLessThanOrEqual(ERRORS_MAX + 1);
  expect(messageOfField(errors.at(-1)!)).toContain(`has more than ${CHECKED_PLACES_MAX} values`);
});

test("patterns are matched in linear time, and those that RE2 lacks are refused", () => {
  const schema = structuralOf({ type: "string", pattern: "^(a+)+$" });
  expect(validateValue(schema, `${"a".repeat(50_000)}b`)).toHaveLength(1);
  expect(errorsOf({ spec: { type: "string", pattern: "(a)\\1" } })).toEqual([
    "spec.validation.openAPIV3Schema.properties[spec].pattern: Invalid value: \"(a)\\\\1\": must " +
    "be a valid regular expression, but isn't: error parsing regexp: invalid escape sequence: " +
    "`\\1`",
  ]);
});

test("formats are checked without trying a text's parts again and again", () => {
  expect(hasFormat("email", `${"a".repeat(900)}!`)).toBe(false);
  expect(hasFormat("email", "a.b \"c d\" e <a@b>")).toBe(true);
  expect(hasFormat("email", " a@b ")).toBe(true);
  expect(hasFormat("duration", "1".repeat(1_000_000))).toBe(false);
  expect(hasFormat("duration", `${"1".repeat(1_000_000)}s${"1s".repeat(1_000_000)}`)).toBe(true);
  for (const format of ["ipv4", "cidr"]) {
    expect(hasFormat(format, `.${"0".repeat(1_000_000)}x`)).toBe(false);
  }
  expect(hasFormat("ipv4", "010.001.00.4")).toBe(true);
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
  expect(errors).toContain(`${at}[b].uniqueItems: Forbidden: uniqueItems cannot be set to true ` +
    "since the runtime complexity becomes quadratic");
});

test("a path that multiplies its values ends", () => {
  const deep = (depth: number): object => (depth === 0 ? { x: 1 }
    : { a: deep(depth - 1), b: deep(depth - 1) });
  const path = parseJsonPath("...*...*...*");
  expect(() => path(deep(10))).toThrow(JsonPathError);
});
