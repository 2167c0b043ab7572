import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { expect, test } from "vitest";
import { definitionsOf } from "./open-api.ts";

function definition(openAPIV3Schema: object): CustomResourceDefinition {
  return {
    metadata: { name: "crontabs.stable.example.com" },
    spec: {
      group: "stable.example.com",
      scope: "Namespaced",
      names: { plural: "crontabs", kind: "CronTab", listKind: "CronTabList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema },
          selectableFields: [{ jsonPath: ".spec.a" }],
        },
      ],
    },
  };
}

const NAME = "com.example.stable.v1.CronTab";
const schemaIn = (dialect: "v2" | "v3", schema: object) =>
  definitionsOf(definition(schema), "v1", dialect).schemas[NAME]!;
type Spec = { readonly spec: object };
const specIn = (dialect: "v2" | "v3", spec: object) =>
  (schemaIn(dialect, { type: "object", properties: { spec } })["properties"] as Spec).spec;

test("the kind and its list are named by the reversed group", () => {
  const { name, listName, schemas } = definitionsOf(definition({ type: "object" }), "v1", "v3");
  expect([name, listName]).toEqual([NAME, `${NAME}List`]);
  expect(schemas[NAME]).toMatchObject({
    type: "object",
    "x-kubernetes-group-version-kind": [
      { group: "stable.example.com", kind: "CronTab", version: "v1" },
    ],
    "x-kubernetes-selectable-fields": [{ fieldPath: "spec.a" }],
    properties: {
      metadata: {
        allOf: [{ $ref: "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" }],
      },
    },
  });
  expect(schemas[`${NAME}List`]).toMatchObject({
    properties: { items: { items: { $ref: `#/components/schemas/${NAME}` } } },
  });
});

test("version 3 says everything", () => {
  const spec = {
    type: "object",
    nullable: true,
    default: {},
    anyOf: [{ required: ["a"] }],
    properties: { a: { type: "string", pattern: "x" } },
  };
  expect(specIn("v3", spec)).toEqual(spec);
  expect(specIn("v3", { "x-kubernetes-int-or-string": true })).toEqual({
    "x-kubernetes-int-or-string": true,
    anyOf: [{ type: "integer" }, { type: "string" }],
  });
});

test("version 2 lacks alternatives, defaults, and types that may be null", () => {
  expect(
    specIn("v2", {
      type: "object",
      required: ["a", "b"],
      default: {},
      oneOf: [{ required: ["a"] }],
      properties: { a: { type: "string", nullable: true }, b: { type: "integer" } },
    }),
  ).toEqual({ type: "object", required: ["b"], properties: { a: {}, b: { type: "integer" } } });
  expect(
    specIn("v2", {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
      properties: { a: { type: "string" } },
    }),
  ).toEqual({ "x-kubernetes-preserve-unknown-fields": true });
});

test("an embedded resource has the fields of objects", () => {
  expect(
    specIn("v3", {
      type: "object",
      "x-kubernetes-embedded-resource": true,
      "x-kubernetes-preserve-unknown-fields": true,
    }),
  ).toMatchObject({
    required: ["kind", "apiVersion"],
    properties: { apiVersion: {}, kind: {}, metadata: {} },
  });
});

test("a schema that is not structural says nothing", () => {
  expect(schemaIn("v3", { properties: { spec: {} } })).not.toHaveProperty("properties");
  expect(
    schemaIn("v2", { type: "object", "x-kubernetes-preserve-unknown-fields": true }),
  ).not.toHaveProperty("properties");
});
