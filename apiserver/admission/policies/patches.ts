import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isObject, type Json } from "@raft2kube/apimachinery/json/json.ts";
import { mergeApplied } from "@raft2kube/apimachinery/managed-fields/merge-applied.ts";
import {
  nameOf,
  type Place,
  partsOf,
  rootPlace,
} from "@raft2kube/apimachinery/managed-fields/place.ts";
import {
  applyJsonPatch,
  readJsonPatch,
  TestFailedError,
} from "@raft2kube/apimachinery/patch/json-patch.ts";
import { Message, toJson } from "@raft2kube/cel/json.ts";
import { ListValue, MapValue, type Value } from "@raft2kube/cel/value.ts";
import { PatchError } from "./errors.ts";

/**
 * `object` with the apply configuration that an expression made merged into it by the rules of
 * server-side apply, without owners. Throws PatchError.
 */
export function withApplied(kind: Kind, object: KubeObject, made: Value): Json {
  if (!(made instanceof Message)) {
    throw new PatchError("unsupported return type from ApplyConfiguration expression");
  }
  checkNames(made, "Object");
  const applied = toJson(made);
  const place = rootPlace(kind.schema);
  const atomic = atomicsIn(place, applied, "");
  if (atomic.length > 0) {
    throw new PatchError(
      "error applying patch: invalid ApplyConfiguration: may not mutate " +
        `atomic arrays, maps or structs: ${atomic.join(", ")}`,
    );
  }
  return mergeApplied(place, JSON.parse(JSON.stringify(object)), applied);
}

/**
 * `object` with the operations of JSON patches that an expression made; unchanged when a `test` of
 * them fails. Throws PatchError.
 */
export function withOperations(object: KubeObject, made: Value): Json {
  if (!(made instanceof ListValue)) {
    throw new PatchError("type mismatch: JSONPatchType.expression should evaluate to array");
  }
  for (const each of made) checkValue(each);
  const document: Json = JSON.parse(JSON.stringify(object));
  try {
    return applyJsonPatch(document, readJsonPatch(toJson(made)));
  } catch (thrown) {
    if (thrown instanceof TestFailedError) return document;
    if (thrown instanceof ApiError) throw new PatchError(`JSON Patch: ${thrown.message}`);
    throw thrown;
  }
}

function checkValue(operation: Value): void {
  const value = operation instanceof Message ? operation.get("value") : undefined;
  if (value instanceof Message) checkNames(value, value.type.name);
}

/** Throws unless the type of each object is the path of fields that leads to it. */
function checkNames(value: Value | undefined, expected: string): void {
  if (value instanceof Message) {
    if (value.type.name !== expected) {
      const [name, wanted] = [value.type.name, expected].map((each) => JSON.stringify(each));
      throw new PatchError(
        `type mismatch: unexpected type name ${name}, expected ${wanted}, ` +
          "which matches field name path from root Object type",
      );
    }
    for (const [name, each] of value.fields) checkNames(each, `${expected}.${name}`);
  } else if (value instanceof ListValue) {
    for (const each of value) checkNames(each, expected);
  } else if (value instanceof MapValue) {
    for (const key of value.keys()) checkNames(value.get(key), expected);
  }
}

/** The paths of lists and objects that can only be set as a whole. */
function atomicsIn(place: Place, value: Json, path: string): string[] {
  if (!isObject(value) && !Array.isArray(value)) return [];
  const parts = partsOf(place, value);
  if (parts === undefined) return [path];
  return parts.flatMap(({ element, place: within, value: each }, index) => {
    const at = Array.isArray(value) ? `[${index}]` : `.${nameOf(element)}`;
    return atomicsIn(within, each, `${path}${at}`);
  });
}
