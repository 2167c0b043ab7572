/** Decodes custom resources: metadata has its types, and what the schema does not have is gone. */

import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { invalid, messageOfField } from "@raft2kube/api/errors.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { DEPTH_MAX, UNKNOWN_FIELDS_MAX } from "@raft2kube/api/limits.ts";
import type { Decoded } from "@raft2kube/api/schema.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { isObject, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { dropNulls, memberSchema } from "./defaults.ts";
import { prune } from "./prune.ts";
import type { Structural } from "./structural.ts";

interface DecodeOptions {
  /** Throws on metadata of wrong types; else these fields are dropped, as of old stored objects. */
  readonly strict: boolean;
}

const OBJECT_META = "meta/v1.ObjectMeta";

/**
 * Decodes a whole object: unknown fields and nulls are removed, the metadata of the object and of
 * those embedded in it is decoded as ObjectMeta. Throws DecodeError.
 */
export function decodeObject(
  schema: Structural | undefined,
  value: unknown,
  options: DecodeOptions,
): Decoded<KubeObject> {
  checkDepth(value, 0);
  return coerceObject(schema, cloneObject(value), options);
}

/**
 * A patch can nest deeper than any body that is read; copies and comparisons recurse. A number that
 * became infinite would be stored as null.
 */
function checkDepth(value: unknown, depth: number): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new DecodeError("json: cannot unmarshal a number beyond float64");
  }
  if (typeof value !== "object" || value === null) return;
  if (depth > DEPTH_MAX) throw new DecodeError("exceeded max depth");
  for (const each of Object.values(value)) checkDepth(each, depth + 1);
}

/** The same in place, for objects that nothing else holds. */
export function coerceObject(
  schema: Structural | undefined,
  value: unknown,
  options: DecodeOptions,
): Decoded<KubeObject> {
  if (!isObject(value)) throw new DecodeError("a custom resource must be an object");
  for (const name of ["kind", "apiVersion"]) {
    const given = value[name];
    if (given === undefined || typeof given === "string") continue;
    const type = given === null ? "<nil>" : Array.isArray(given) ? "[]interface {}" : typeof given;
    throw new DecodeError(
      `.${name} accessor error: ${JSON.stringify(given)} is of the type ${type}, expected string`,
    );
  }
  const unknown: string[] = [];
  const metadata = decodeMetadata(value["metadata"] ?? {}, "", unknown, options);
  if (schema !== undefined) {
    report(unknown, prune(schema, value));
    dropNulls(schema, value);
    const embedded: string[] = [];
    coerce(schema, value, "", embedded, options);
    report(unknown, embedded.sort());
  }
  value["metadata"] = metadata;
  return { object: value as unknown as KubeObject, unknownFields: unknown };
}

function report(unknown: string[], fields: readonly string[]): void {
  unknown.push(...fields.slice(0, UNKNOWN_FIELDS_MAX - unknown.length));
}

function decodeMetadata(
  value: unknown,
  path: string,
  unknown: string[],
  { strict }: DecodeOptions,
): ObjectMeta {
  try {
    const { object, unknownFields } = decodeJson<ObjectMeta>(OBJECT_META, value);
    const at = path === "" ? "metadata" : `${path}.metadata`;
    report(
      unknown,
      unknownFields.map((each) => `${at}.${each}`),
    );
    return object;
  } catch (thrown) {
    if (strict || !isObject(value) || !(thrown instanceof DecodeError)) throw thrown;
    return decodeJson<ObjectMeta>(OBJECT_META, soundPart(value)).object;
  }
}

/** The fields of metadata that can be decoded, each by itself. */
function soundPart(metadata: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name, value]) => {
      try {
        decodeJson(OBJECT_META, { [name]: value });
        return true;
      } catch (thrown) {
        if (thrown instanceof DecodeError) return false;
        throw thrown;
      }
    }),
  );
}

/** Decodes the metadata of the resources in a value at a path, in place. Throws DecodeError. */
export function coerceValue(schema: Structural, value: unknown, path: string): void {
  coerce(schema, value, path, [], { strict: true });
}

/** Decodes the metadata of embedded resources, in place. */
function coerce(
  schema: Structural | undefined,
  value: unknown,
  path: string,
  unknown: string[],
  options: DecodeOptions,
): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      coerce(schema.items, item, `${path}[${index}]`, unknown, options);
    }
  } else if (isObject(value)) {
    if (schema.embedded) coerceEmbedded(value, path, unknown, options);
    for (const name of Object.keys(value)) {
      const property = schema.properties?.get(name);
      if (property !== undefined) {
        coerce(property, value[name], path === "" ? name : `${path}.${name}`, unknown, options);
      } else coerce(memberSchema(schema), value[name], `${path}[${name}]`, unknown, options);
    }
  }
}

function coerceEmbedded(
  value: JsonObject,
  path: string,
  unknown: string[],
  options: DecodeOptions,
): void {
  for (const name of ["apiVersion", "kind"]) {
    if (!Object.hasOwn(value, name) || typeof value[name] === "string") continue;
    if (!options.strict) delete value[name];
    else {
      const error = invalid(`${path}.${name}`, value[name], "must be a string");
      throw new DecodeError(messageOfField(error));
    }
  }
  if (!Object.hasOwn(value, "metadata")) return;
  try {
    value["metadata"] = decodeMetadata(value["metadata"] ?? {}, path, unknown, options);
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    if (!options.strict) return;
    const error = invalid(`${path}.metadata`, value["metadata"], thrown.message);
    throw new DecodeError(messageOfField(error));
  }
}
