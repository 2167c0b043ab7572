/** A value of a parsed JSON document. */
export type Json = unknown;
export type JsonObject = Record<string, unknown>;

export function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets a member even if it is called `__proto__`. */
export function setMember(object: JsonObject, name: string, value: Json): void {
  // An assignment is four times as fast, and the same for other names.
  if (name !== "__proto__") object[name] = value;
  else {
    Object.defineProperty(object, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

/**
 * Merges `patch` into `target` (RFC 7386): null removes, objects merge, all else replaces; as in
 * upstream's library, null also removes members of objects in lists.
 */
export function mergePatch(target: Json, patch: Json): Json {
  if (Array.isArray(patch) && !isObject(target)) {
    return patch.map((each: Json) => mergePatch(undefined, each));
  }
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else setMember(result, name, mergePatch(memberOf(result, name), value));
  }
  return result;
}

/** A member of the object's own, never one that it inherits. */
export function memberOf(object: JsonObject, name: string): Json {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Go's complaint about a JSON value where another type of it is expected. */
export function notUnmarshalled(value: Json, into: string): string {
  const type = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return `json: cannot unmarshal ${type} into Go value of type ${into}`;
}
