/** Checks values against a schema, with the texts of upstream's validation. */
import { isDeepStrictEqual } from "node:util";
import {
  type FieldError,
  invalid,
  notSupported,
  required,
  tooMany,
} from "@raft2kube/api/errors.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import type { Correlated } from "./correlate.ts";
import { memberSchema } from "./defaults.ts";
import { Findings } from "./findings.ts";
import { CHECKED_PLACES_MAX } from "./limits.ts";
import type { Structural } from "./structural.ts";
import { checkNumber, checkString } from "./validate-scalars.ts";
import { checkType, formatOf } from "./validate-type.ts";

/** Upstream's text for the path of a whole object. */
export const ROOT = "<nil>";

/**
 * The errors of a value. With `old`, the pair of which it is the new part, errors of parts that
 * did not change are passed over (upstream's ratcheting). `path` is the value's own, "" for a whole
 * object.
 */
export function validateValue(
  schema: Structural,
  value: unknown,
  pair?: Correlated,
  path = "",
): FieldError[] {
  const found = new Findings();
  check(schema, value, "", found, pair);
  if (found.budget.left < 0) {
    const rule =
      `has more than ${CHECKED_PLACES_MAX} values to check, ` +
      "counted once for each alternative (anyOf, oneOf, allOf, not) of the schema";
    found.errors.push(invalid("", "", rule));
  }
  const seen = new Set<string>();
  return found.errors.flatMap((error) => {
    const key = `${error.type} ${error.field} ${error.detail}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ ...error, field: joined(path, error.field) }];
  });
}

function joined(path: string, field: string): string {
  const below = field.replace(/^\./, "");
  if (below === "") return path === "" ? ROOT : path;
  return path === "" ? below : `${path}.${below}`;
}

/** Checks one place; errors of a value that did not change are dropped again. */
function check(
  schema: Structural,
  value: unknown,
  at: string,
  found: Findings,
  pair: Correlated | undefined,
): void {
  // lab:21 begin check
  const before = found.errors.length;
  checkPlace(schema, value, at, found, pair);
  if (found.errors.length > before && pair?.same === true) found.drop(before);
  // lab:21 end
}

function checkPlace(
  schema: Structural,
  value: unknown,
  at: string,
  found: Findings,
  pair: Correlated | undefined,
): void {
  if (--found.budget.left < 0) return;
  checkType(schema, value, at, found);
  if (value !== null) {
    checkJunctors(schema, value, at, found, pair);
    if (typeof value === "string") checkString(schema, value, at, found);
    else if (typeof value === "number" || typeof value === "bigint") {
      checkNumber(schema, value, at, found);
    } else if (Array.isArray(value)) checkItems(schema, value, at, found, pair);
  }
  checkEnum(schema, value, at, found);
  if (isObject(value)) checkMembers(schema, value, at, found, pair);
  if (value !== null) found.matches += validatorsFor(schema, value);
}

/** Upstream counts each validator that looks at a kind of value, and the place itself. */
function validatorsFor(schema: Structural, value: unknown): number {
  const typed = (schema.type ?? "") !== "" || schema.intOrString || formatOf(schema) !== "";
  const format = typeof value === "string" && formatOf(schema) !== "";
  return 3 + Number(typed) + Number(typeof value !== "boolean") + Number(format);
}

function checkEnum(schema: Structural, value: unknown, at: string, found: Findings): void {
  const { enum: allowed } = schema;
  if (allowed === undefined || allowed.length === 0) return;
  const met = value === null ? -1 : allowed.findIndex((each) => isAllowed(each, value));
  found.budget.left -= met === -1 ? allowed.length : met;
  if (met !== -1 || found.isFull) return;
  const shown = allowed.map((each) => (typeof each === "string" ? each : JSON.stringify(each)));
  found.add(notSupported(at, value, shown));
}

/** Upstream converts a number to the type of the allowed one: 1.5 is 1 where 1 is allowed. */
function isAllowed(allowed: unknown, value: unknown): boolean {
  const whole = typeof value === "number" && Number.isInteger(allowed);
  return isDeepStrictEqual(allowed, whole ? Math.trunc(value) : value);
}

function checkItems(
  schema: Structural,
  value: readonly unknown[],
  at: string,
  found: Findings,
  pair: Correlated | undefined,
): void {
  const { items, minItems, maxItems } = schema;
  if (items !== undefined) {
    for (const [index, item] of value.entries()) {
      check(items, item, `${at}[${index}]`, found, pair?.index(index));
    }
  }
  if (minItems !== undefined && value.length < minItems) {
    found.add(invalid(at, value.length, `${at} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) {
    found.add(tooMany(at, value.length, maxItems));
  }
  found.matches++;
}

function checkMembers(
  schema: Structural,
  value: Record<string, unknown>,
  at: string,
  found: Findings,
  pair: Correlated | undefined,
): void {
  const { properties, additional, minProperties, maxProperties } = schema;
  const count = Object.keys(value).length;
  if (minProperties !== undefined && count < minProperties) {
    found.add(invalid(at, count, `${at} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) {
    found.add(tooMany(at, count, maxProperties));
  }
  const rest = memberSchema(schema);
  for (const name of Object.keys(value)) {
    const property = properties?.get(name);
    if (property !== undefined) {
      const typeMeta = at === "" && (name === "kind" || name === "apiVersion");
      check(
        property,
        value[name],
        at === "" ? name : `${at}.${name}`,
        found,
        typeMeta ? undefined : pair?.key(name),
      );
    } else if (rest !== undefined) {
      check(rest, value[name], `${at}.${name}`, found, pair?.key(name));
    } else if (additional === false) {
      found.add(invalid(at, name, `${at}.${name} in body is a forbidden property`));
    }
  }
  for (const name of schema.required ?? []) {
    if (Object.hasOwn(value, name)) continue;
    found.budget.left--;
    found.add(required(`${at}.${name}`));
  }
}

/** The alternatives share the pair: a part under them that did not change is passed over too. */
function checkJunctors(
  schema: Structural,
  value: unknown,
  at: string,
  found: Findings,
  pair: Correlated | undefined,
): void {
  const tried = (each: Structural): Findings => {
    const own = new Findings(found.budget);
    checkPlace(each, value, at, own, pair);
    return own;
  };
  const text = (rule: string): void => found.add(invalid("", "", `${JSON.stringify(at)} ${rule}`));
  const { anyOf, oneOf, allOf, not } = schema;
  if (anyOf !== undefined && anyOf.length > 0) {
    const [outcome] = nearest(anyOf, tried, 1);
    if (outcome!.errors.length > 0) text("must validate at least one schema (anyOf)");
    found.take(outcome!);
  }
  if (oneOf !== undefined && oneOf.length > 0) {
    const [outcome, valid] = nearest(oneOf, tried, oneOf.length);
    if (valid !== 1) {
      const why = valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`;
      text(`must validate one and only one schema (oneOf). ${why}`);
    }
    if (valid <= 1) found.take(outcome);
  }
  if (allOf !== undefined && allOf.length > 0) {
    const outcomes = allOf.map(tried);
    for (const each of outcomes) found.take(each);
    const valid = outcomes.filter((each) => each.errors.length === 0).length;
    if (valid < allOf.length) {
      text(`must validate all the schemas (allOf)${valid === 0 ? ". None validated" : ""}`);
    }
  }
  if (not !== undefined && tried(not).errors.length === 0) {
    text("must not validate the schema (not)");
  }
  found.matches++;
}

/**
 * The first alternative that a value meets, else the one with the most matches; and how many it
 * meets, counted up to `enough`.
 */
function nearest(
  alternatives: readonly Structural[],
  tried: (each: Structural) => Findings,
  enough: number,
): [Findings, number] {
  let best: Findings | undefined;
  let valid = 0;
  for (const each of alternatives) {
    const outcome = tried(each);
    if (outcome.errors.length === 0) {
      if (valid === 0) best = outcome;
      valid++;
      if (valid >= enough) break;
    } else if (valid === 0 && outcome.matches > (best?.matches ?? -1)) best = outcome;
  }
  return [best!, valid];
}
