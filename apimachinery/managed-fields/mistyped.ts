import { type Shape, structOf } from "@raft2kube/api/schema.ts";
import { isObject, type Json } from "../json/json.ts";

/**
 * Returns the fields of an applied object whose type differs from their schema's, in the words of
 * upstream's structured-merge-diff: `.spec.replicas: expected numeric (int or float), got string`.
 */
export function mistyped(shape: Shape, value: Json, at = ""): string[] {
  if (value === null || value === undefined) return [];
  switch (shape.is) {
    case "special":
    case "any":
      return [];
    case "scalar": {
      const wanted = wantedScalar(shape.scalar, value);
      return wanted === undefined ? [] : [`${at}: expected ${wanted}`];
    }
    case "list":
      if (!Array.isArray(value)) return [`${at}: expected list, got &{${plain(value)}}`];
      return value.flatMap((item, index) => mistyped(shape.of, item, `${at}[${index}]`));
    case "map":
    case "struct":
      if (!isObject(value)) return [`${at}: expected map, got &{${plain(value)}}`];
      return Object.entries(value).flatMap(([name, member]) => {
        const inner = shape.is === "map" ? shape.of : structOf(shape.of).fields.get(name)?.shape;
        return inner === undefined ? [] : mistyped(inner, member, `${at}.${name}`);
      });
  }
}

type Scalar = Extract<Shape, { is: "scalar" }>["scalar"];

/** Returns the expected type, undefined where the value is of it. */
function wantedScalar(scalar: Scalar, value: Json): string | undefined {
  switch (scalar) {
    case "string":
    case "bytes":
      if (typeof value === "string") return undefined;
      return `string, got &value.valueUnstructured{Value:${literal(value)}}`;
    case "bool":
      return typeof value === "boolean" ? undefined : `boolean, got &{${plain(value)}}`;
    case "int32":
    case "int64":
    case "double":
      return typeof value === "number"
        ? undefined : `numeric (int or float), got ${goTypeOf(value)}`;
  }
}

function goTypeOf(value: Json): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (isObject(value)) return "map[string]interface {}";
  return typeof value === "boolean" ? "bool" : typeof value;
}

const sorted = (value: { [name: string]: Json }): [string, Json][] =>
  Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

/** Formats a value as Go's `%v`. */
function plain(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(" ")}]`;
  if (!isObject(value)) return value === null ? "<nil>" : String(value);
  return `map[${sorted(value).map(([name, member]) => `${name}:${plain(member)}`).join(" ")}]`;
}

/** Formats a value as Go's `%#v`. */
function literal(value: Json): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(literal).join(", ")}}`;
  if (!isObject(value)) return value === null ? "interface {}(nil)" : JSON.stringify(value) ?? "";
  const members = sorted(value).map(([name, each]) => `${JSON.stringify(name)}:${literal(each)}`);
  return `map[string]interface {}{${members.join(", ")}}`;
}
