/** Defaults of a schema, and nulls where a schema has none, for objects written or read. */
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { isObject, setMember } from "@raft2kube/apimachinery/json/json.ts";
import { DEFAULTED_VALUES_MAX } from "./limits.ts";
import type { Structural } from "./structural.ts";

/**
 * Fills in defaults, in place. Twice gives the same as once. Returns false when they are of more
 * than `values_max` values together, and leaves the rest out.
 */
export function applyDefaults(
  schema: Structural | undefined,
  value: unknown,
  values_max = DEFAULTED_VALUES_MAX,
): boolean {
  const budget = { left: values_max };
  fill(schema, value, budget);
  return budget.left >= 0;
}

type Budget = { left: number };

/**
 * Fills in the defaults of a value's members or items, and of all below, in place. A member that is
 * there keeps its value. A null where the schema allows none counts as absent; an item of a list
 * stays null without a default. Ends when the budget does.
 */
function fill(schema: Structural | undefined, value: unknown, budget: Budget): void {
  // lab:21 begin fill
  if (schema === undefined || budget.left < 0) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    for (const [index, item] of value.entries()) {
      if (isUnwantedNull(items, item)) value[index] = defaultOf(items, budget) ?? null;
      fill(items, value[index], budget);
    }
  } else if (isObject(value)) {
    for (const [name, property] of defaultedIn(schema)) {
      if (Object.hasOwn(value, name) && !isUnwantedNull(property, value[name])) continue;
      const filled = defaultOf(property, budget);
      if (filled === undefined) return;
      setMember(value, name, filled);
    }
    for (const name of Object.keys(value)) {
      const known = schema.properties?.get(name);
      const member = known ?? memberSchema(schema);
      if (known === undefined && isUnwantedNull(member, value[name])) {
        setMember(value, name, defaultOf(member, budget) ?? null);
      }
      fill(member, value[name], budget);
    }
  }
  // lab:21 end
}

type Properties = readonly (readonly [string, Structural])[];
const defaulted = new WeakMap<Structural, Properties>();

/** The properties that have a default: of many, an object may lack all. */
function defaultedIn(schema: Structural): Properties {
  const known = defaulted.get(schema);
  if (known !== undefined) return known;
  const found = [...(schema.properties ?? [])].filter(([, each]) => each.default !== undefined);
  defaulted.set(schema, found);
  return found;
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

/** A copy of the default; undefined where there is none, or no more fits the budget. */
function defaultOf(schema: Structural | undefined, budget: Budget): unknown {
  if (schema?.default === undefined) return undefined;
  let size = sizes.get(schema);
  if (size === undefined) sizes.set(schema, (size = sizeOf(schema.default)));
  budget.left -= size;
  return budget.left < 0 ? undefined : cloneObject(schema.default);
}

const sizes = new WeakMap<Structural, number>();
const TEXT_CHARACTERS = 16;

/** How many values a value has; long texts count as several. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return 1 + Math.trunc(value.length / TEXT_CHARACTERS);
  if (typeof value !== "object" || value === null) return 1;
  const names = Array.isArray(value) ? [] : Object.keys(value);
  return [...names, ...(Object.values(value) as unknown[])].reduce<number>(
    (sum, each) => sum + sizeOf(each),
    1,
  );
}
