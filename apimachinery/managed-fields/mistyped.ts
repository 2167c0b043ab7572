import { type Shape, type Struct, structOf } from "@raft2kube/api/schema.ts";
import { isObject, type Json } from "../json/json.ts";
import { ODDITIES_MAX } from "../limits.ts";
import { shortened } from "./field-set.ts";

/**
 * Returns the fields of an applied object that their schema does not have, or with another type, at
 * most ODDITIES_MAX: `.spec.replicas: expected numeric (int or float), got string`. An object
 * without properties in the schema of a custom resource may have any, which are pruned afterwards.
 */
export function mistyped(shape: Shape, value: Json): string[] {
  const found: string[] = [];
  look(shape, value, "", found);
  return found;
}

function look(shape: Shape, value: Json, at: string, found: string[]): void {
  if (value === null || value === undefined || found.length >= ODDITIES_MAX) return;
  switch (shape.is) {
    case "special":
    case "any":
      return;
    case "scalar": {
      const { type, shown } = SCALARS[shape.scalar];
      const given = typeof value === "bigint" ? "number" : typeof value;
      if (given !== type) found.push(expected(shown, value, at));
      return;
    }
    case "list":
      if (!Array.isArray(value)) found.push(expected("list", value, at));
      else
        value.forEach((item, index) => look(shape.of, item, shortened(`${at}[${index}]`), found));
      return;
    case "map":
    case "struct":
      if (!isObject(value)) {
        found.push(expected("map", value, at));
        return;
      }
      for (const [name, member] of Object.entries(value)) {
        const path = shortened(`${at}.${name}`);
        const inner = shape.is === "map" ? shape.of : memberShape(structOf(shape.of), name);
        if (inner !== undefined) look(inner, member, path, found);
        else if (found.length < ODDITIES_MAX) found.push(`${path}: field not declared in schema`);
      }
  }
}

function memberShape({ fields, rest, typeMeta }: Struct, name: string): Shape | undefined {
  const isTypeMeta = typeMeta && (name === "apiVersion" || name === "kind");
  return fields.get(name)?.shape ?? (isTypeMeta ? TEXT : rest);
}

const TEXT: Shape = { is: "scalar", scalar: "string" };
const STRING = { type: "string", shown: "string" };
const NUMERIC = { type: "number", shown: "numeric (int or float)" };
const SCALARS = {
  string: STRING,
  bytes: STRING,
  bool: { type: "boolean", shown: "boolean" },
  int32: NUMERIC,
  int64: NUMERIC,
  double: NUMERIC,
};

function expected(shown: string, value: Json, at: string): string {
  const found = Array.isArray(value) ? "list" : isObject(value) ? "map" : typeof value;
  return `${at}: expected ${shown}, got ${found}`;
}
