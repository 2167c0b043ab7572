/** Defaults in schemas: each must be valid and known where it stands. */
import { isDeepStrictEqual } from "node:util";
import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { type FieldError, invalid, messageOfField } from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { coerceValue } from "../decode.ts";
import { validateEmbedded } from "../embedded.ts";
import { firstErrors } from "../findings.ts";
import { ERRORS_MAX } from "../limits.ts";
import { pruneValue } from "../prune.ts";
import { checkRules, ruleNode } from "../rules/validate.ts";
import { type Structural, structuralOf } from "../structural.ts";
import { validateValue } from "../validate.ts";
import { schemasIn } from "./walk.ts";

/** A place on the way to a default: the embedded resource it is in, and the steps from there. */
interface Place {
  readonly path: string;
  readonly resource: Structural;
  /** The same place of the schema in which places for integers or texts have a type. */
  readonly typed: Structural;
  readonly steps: readonly (string | number)[];
  readonly insideMeta: boolean;
}

/** The errors of all defaults of a structural schema. */
export function validateDefaults(
  props: JSONSchemaProps,
  path: string,
  pruned: boolean,
): FieldError[] {
  if (!schemasIn(props).some((each) => each.default != null)) return [];
  const root: Structural = { ...structuralOf(props, false), embedded: true };
  const typed: Structural = { ...structuralOf(props), embedded: true };
  const place: Place = { path, resource: root, typed, steps: [], insideMeta: false };
  return firstErrors(walk(root, place, pruned));
}

function walk(
  schema: Structural,
  place: Place,
  pruned: boolean,
  errors: FieldError[] = [],
): FieldError[] {
  const own = schema.embedded
    ? { ...place, resource: schema, steps: [], insideMeta: false }
    : place;
  if (errors.length >= ERRORS_MAX) return errors;
  if (schema.default !== undefined) {
    errors.push(
      ...(own.insideMeta ? validateInMeta(schema, own) : validateDefault(schema, own, pruned)),
    );
  }
  const { items, properties } = schema;
  if (items !== undefined) {
    const steps = [...own.steps, 0];
    const typed = own.typed.items!;
    walk(items, { ...own, path: `${own.path}.items`, steps, typed }, pruned, errors);
  }
  for (const [name, each] of properties ?? []) {
    const isMeta = schema.embedded && ["metadata", "apiVersion", "kind"].includes(name);
    walk(
      each,
      {
        ...own,
        path: `${own.path}.properties[${name}]`,
        steps: [...own.steps, name],
        insideMeta: own.insideMeta || isMeta,
        typed: own.typed.properties!.get(name)!,
      },
      pruned,
      errors,
    );
  }
  return errors;
}

/** The metadata in a default is decoded in place: what it does not know is gone from the schema. */
function validateDefault(
  schema: Structural,
  { path, typed }: Place,
  pruned: boolean,
): FieldError[] {
  const at = `${path}.default`;
  const errors =
    pruned && pruneValue(schema, cloneObject(schema.default)).length > 0
      ? [invalid(at, schema.default, "must not have unknown fields")]
      : [];
  const wrong = attempt(() => coerceValue(schema, schema.default, at));
  if (wrong !== undefined) return [...errors, invalid(at, schema.default, wrong)];
  const embedded = validateEmbedded(schema, schema.default, at);
  return [...errors, ...(embedded.length > 0 ? embedded : validateContent(schema, typed, at))];
}

/** Checks the values, then evaluates x-kubernetes-validations: as unchanged, and as new. */
function validateContent(schema: Structural, typed: Structural, at: string): FieldError[] {
  const value = schema.default;
  const errors = validateValue(schema, value, undefined, at);
  const rules = errors.length === 0 ? ruleNode(typed, typed.embedded) : undefined;
  if (rules === undefined) return errors;
  const unchanged = checkRules(rules, value, value, undefined, undefined, at).errors;
  return unchanged.length > 0
    ? unchanged
    : checkRules(rules, value, undefined, undefined, undefined, at).errors;
}

/** Validates a default of metadata in a resource of which all else is as usual. */
function validateInMeta(schema: Structural, { path, resource, typed, steps }: Place): FieldError[] {
  const at = `${path}.default`;
  let value: unknown = cloneObject(schema.default);
  for (const step of steps.toReversed()) {
    value = typeof step === "number" ? [value] : { [step]: value };
  }
  const object = { apiVersion: "validation/v1", kind: "Validation", ...(value as object) };
  const fail = (why: string) => [
    invalid(at, schema.default, `must result in valid metadata: ${why}`),
  ];
  const wrong = attempt(() => coerceValue(resource, object, ""));
  if (wrong !== undefined) return fail(wrong);
  const errors = validateEmbedded(resource, object);
  if (errors.length > 0) {
    const texts = errors.map(messageOfField);
    return fail(texts.length > 1 ? `[${texts.join(", ")}]` : texts[0]!);
  }
  return validateContent(schema, typed, at);
}

function attempt(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof DecodeError) return thrown.message;
    throw thrown;
  }
}

/** Whether a schema has a default with fields that the schema does not know. */
export function hasUnprunedDefault(props: JSONSchemaProps): boolean {
  return schemasIn(props).some((each) => {
    if (each.default == null) return false;
    const value = cloneObject(each.default);
    pruneValue(structuralOf(each), value);
    return !isDeepStrictEqual(value, each.default);
  });
}
