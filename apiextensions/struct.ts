/** The structure of custom resources for field ownership and decoding. */
import type { FieldFact } from "@raft2kube/api/facts.ts";
import type { Field, ListRule, Scalar, Shape, Struct } from "@raft2kube/api/schema.ts";
import { decodeObject } from "./decode.ts";
import type { Structural } from "./structural.ts";

/** The structure of whole objects; `name` is for errors: `stable.example.com/v1.CronTab`. */
export function structFrom(schema: Structural | undefined, name: string): Struct {
  const root = { ...(schema ?? ANYTHING), embedded: true };
  const struct = structAt(root, name, root.preserves);
  return Object.assign(struct, {
    typeMeta: true,
    decode: (value: unknown, strict = true) => decodeObject(schema, value, { strict }),
  });
}

/** The schema of a version that has none: all fields are preserved. */
const ANYTHING: Structural = {
  type: "object",
  nullable: false,
  preserves: true,
  embedded: false,
  intOrString: false,
};

const ANY: Shape = { is: "any" };
const LEAF: Shape = { is: "special", special: "JSON" };
const OBJECT_META: Shape = { is: "struct", of: "meta/v1.ObjectMeta" };
const TEXT: Shape = { is: "scalar", scalar: "string" };

const SCALARS: Readonly<Record<string, Scalar>> = {
  integer: "int64",
  number: "double",
  boolean: "bool",
};

/** Texts of these formats are texts to structured-merge-diff; those of others may be anything. */
const TEXT_FORMATS: ReadonlySet<string> = new Set(["", "byte"]);

/** `open`: an outer place preserves unknown fields, which the places in it inherit. */
function shapeAt(schema: Structural, name: string, outer: boolean): Shape {
  const open = outer || schema.preserves;
  switch (schema.type ?? "") {
    case "array": {
      const of = schema.items === undefined ? LEAF : shapeAt(schema.items, `${name}[]`, open);
      return { is: "list", of, wrapped: false, rule: ruleOf(schema) };
    }
    case "object": {
      const { additional, properties, mapType } = schema;
      if ((properties?.size ?? 0) > 0 || schema.embedded) {
        return { is: "struct", of: structAt(schema, name, open) };
      }
      const of = typeof additional === "object" ? shapeAt(additional, `${name}{}`, open) : ANY;
      return { is: "map", of, atomic: mapType === "atomic" };
    }
    case "string":
      return TEXT_FORMATS.has(schema.format ?? "") ? TEXT : LEAF;
    case "":
      return (schema.properties?.size ?? 0) > 0
        ? { is: "struct", of: structAt(schema, name, open) }
        : ANY;
    default:
      return { is: "scalar", scalar: SCALARS[schema.type!] ?? "string" };
  }
}

function ruleOf({ listType, listKeys }: Structural): ListRule {
  return { type: listType, keys: listKeys ?? [], patch: [], mergeKey: undefined };
}

/** A structure whose fields are made when they are first asked for: most schemas are large. */
function structAt(schema: Structural, name: string, open: boolean): Struct {
  let made: ReadonlyMap<string, Field> | undefined;
  const { additional } = schema;
  const rest =
    typeof additional === "object"
      ? shapeAt(additional, `${name}{}`, open)
      : (additional ?? open)
        ? ANY
        : undefined;
  return {
    name,
    typeMeta: false,
    atomic: schema.mapType === "atomic",
    get own() {
      return [...this.fields.values()];
    },
    get fields() {
      return (made ??= fieldsOf(schema, name, open));
    },
    ...(rest === undefined ? {} : { rest }),
  };
}

function fieldsOf(schema: Structural, name: string, open: boolean): ReadonlyMap<string, Field> {
  const fields = new Map<string, Field>();
  for (const [key, property] of schema.properties ?? []) {
    const shape = shapeAt(property, `${name}.${key}`, open);
    fields.set(key, { fact: factOf(key, property), shape });
  }
  if (schema.embedded) {
    fields.set("apiVersion", { fact: factOf("apiVersion"), shape: TEXT });
    fields.set("kind", { fact: factOf("kind"), shape: TEXT });
    fields.set("metadata", { fact: factOf("metadata"), shape: OBJECT_META });
  }
  return fields;
}

/** Nothing is written that was not given, and no field has a type of Go's. */
function factOf(name: string, schema?: Structural): FieldFact {
  const fact = { name, type: "", pointer: true, omitempty: true };
  return schema?.default === undefined ? fact : { ...fact, default: schema.default };
}
