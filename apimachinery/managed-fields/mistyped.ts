import { type Shape, structOf } from "@raft2kube/api/schema.ts";
import { isObject, type Json } from "../json/json.ts";

/**
 * Returns the fields of an applied object whose type differs from their schema's:
 * `.spec.replicas: expected numeric (int or float), got string`.
 */
export function mistyped(shape: Shape, value: Json, at = ""): string[] {
  if (value === null || value === undefined) return [];
  switch (shape.is) {
    case "special":
    case "any":
      return [];
    case "scalar":
      return typeof value === SCALARS[shape.scalar].type
        ? []
        : [expected(SCALARS[shape.scalar].shown, value, at)];
    case "list":
      if (!Array.isArray(value)) return [expected("list", value, at)];
      return value.flatMap((item, index) => mistyped(shape.of, item, `${at}[${index}]`));
    case "map":
    case "struct":
      if (!isObject(value)) return [expected("map", value, at)];
      return Object.entries(value).flatMap(([name, member]) => {
        const inner = shape.is === "map" ? shape.of : structOf(shape.of).fields.get(name)?.shape;
        return inner === undefined ? [] : mistyped(inner, member, `${at}.${name}`);
      });
  }
}

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
