/** Defaults of a schema, and nulls where a schema has none, for objects written or read. */
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { isObject, setMember } from "@raft2kube/apimachinery/json/json.ts";
import type { Structural } from "./structural.ts";

/** Fills in defaults, in place. Twice gives the same as once. */
export function applyDefaults(schema: Structural | undefined, value: unknown): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    for (const [index, item] of value.entries()) {
      if (isUnwantedNull(items, item)) value[index] = defaultOf(items);
      applyDefaults(items, value[index]);
    }
  } else if (isObject(value)) {
    for (const [name, property] of schema.properties ?? []) {
      if (property.default === undefined) continue;
      if (!Object.hasOwn(value, name) || isUnwantedNull(property, value[name])) {
        setMember(value, name, defaultOf(property));
      }
    }
    for (const name of Object.keys(value)) {
      const known = schema.properties?.get(name);
      const member = known ?? memberSchema(schema);
      if (known === undefined && isUnwantedNull(member, value[name])) {
        setMember(value, name, defaultOf(member));
      }
      applyDefaults(member, value[name]);
    }
  }
}

/** Removes members that are null where null is not allowed and there is no default, in place. */
export function dropNulls(schema: Structural | undefined, value: unknown): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) for (const item of value) dropNulls(schema.items, item);
  else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      const member = schema.properties?.get(name) ?? memberSchema(schema);
      if (isUnwantedNull(member, value[name]) && member?.default === undefined) delete value[name];
      else dropNulls(member, value[name]);
    }
  }
}

/** The schema of members that are no properties; undefined where they have none. */
export function memberSchema({ additional }: Structural): Structural | undefined {
  return typeof additional === "object" ? additional : undefined;
}

function isUnwantedNull(schema: Structural | undefined, value: unknown): boolean {
  return value === null && schema !== undefined && !schema.nullable;
}

function defaultOf(schema: Structural | undefined): unknown {
  return schema?.default === undefined ? null : cloneObject(schema.default);
}
