/** The schema of a version: what it may say, and that it is structural. */
import {
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { oneOfIfSet } from "@raft2kube/api/validation/checks.ts";
import { firstErrors } from "../findings.ts";
import { type Structural, structuralOf } from "../structural.ts";
import { type Found, schemaAt } from "./field-path.ts";
import type { Leniency } from "./leniency.ts";
import { validateListKeys, validateListType, validateMapType } from "./list-rules.ts";
import { RuleAudit, RulePlace } from "./rules.ts";
import { validateDefaults } from "./schema-defaults.ts";
import { unstructured, validateStructural } from "./structural-rules.ts";
import { BOUNDS, isSchema, TYPES } from "./walk.ts";

type Schema = JSONSchemaProps;

/** Fields that may stand beside `properties.status`, which `/status` is checked by alone. */
const AT_ROOT_WITH_STATUS = [
  "description",
  "type",
  "format",
  "title",
  ...BOUNDS,
  "required",
  "items",
  "properties",
  "externalDocs",
  "example",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-validations",
];

/** Options of the checks of a version's schema. */
interface SchemaOptions {
  readonly hasStatus: boolean;
  readonly structural: boolean;
  readonly leniency: Leniency;
  /** Whether the schema is the one that the old definition had. */
  readonly isUnchanged: boolean;
}

/** The errors of a version's whole schema. */
export function validateSchema(
  schema: Schema,
  path: string,
  { hasStatus, structural, leniency, isUnchanged }: SchemaOptions,
): FieldError[] {
  const errors = hasStatus ? validateRootWithStatus(schema, path) : [];
  if (schema.nullable === true) {
    errors.push(forbidden(`${path}.nullable`, "nullable cannot be true at the root"));
  }
  const why = structural ? unstructured(schema) : undefined;
  let sound = structural && why === undefined;
  if (sound) {
    const wrong = validateStructural(schema, path);
    if (wrong.length === 0) wrong.push(...validateDefaults(schema, path, !leniency.prunedDefaults));
    errors.push(...wrong);
    sound = wrong.length === 0;
  }
  const audit = new RuleAudit(!isUnchanged);
  const walk = new SchemaWalk(leniency, audit);
  const rules = sound ? RulePlace.root(schema) : undefined;
  walk.place(schema, path, { root: true, insideMeta: false, noDefaults: undefined, rules });
  const found = [...errors, ...walk.errors, ...walk.ruleErrors, ...audit.finish(path)];
  if (found.length === 0 && why !== undefined) found.push(invalid(path, "", why));
  return firstErrors(found);
}

function validateRootWithStatus(schema: Schema, path: string): FieldError[] {
  if (schema.type !== undefined && schema.type !== "" && schema.type !== "object") {
    const rule =
      'only "object" is allowed as the type at the ' +
      "root of the schema if the status subresource is enabled";
    return [invalid(`${path}.type`, schema.type, rule)];
  }
  const stranger = Object.keys(schema).find((name) => !AT_ROOT_WITH_STATUS.includes(name));
  if (stranger === undefined) return [];
  const why =
    `only [${AT_ROOT_WITH_STATUS.map(goName).join(" ")}] fields are allowed at the root of the ` +
    "schema if the status subresource is enabled";
  return [invalid(path, schema, why)];
}

/** Writes the name of a field as Go has it: `XValidations`. */
function goName(name: string): string {
  return name
    .replace("x-kubernetes", "x")
    .replace(/(^|-)([a-z])/g, (_match, _dash, letter: string) => letter.toUpperCase());
}

/** Where a schema stands. */
interface Context {
  readonly root: boolean;
  /** Whether this place lies inside apiVersion, kind or metadata of a resource. */
  readonly insideMeta: boolean;
  /** Why there may be no default here. */
  readonly noDefaults: string | undefined;
  /** Where rules stand; undefined where they are not compiled: under `allOf` etc. */
  readonly rules: RulePlace | undefined;
}

const META_FIELDS = ["metadata", "kind", "apiVersion"];

/** Visits each schema in a schema. */
class SchemaWalk {
  readonly errors: FieldError[] = [];
  /** Errors of rules, which are only looked at where the schema in them has no others. */
  readonly ruleErrors: FieldError[] = [];
  readonly #leniency: Leniency;
  readonly #audit: RuleAudit;

  constructor(leniency: Leniency, audit: RuleAudit) {
    this.#leniency = leniency;
    this.#audit = audit;
  }

  place(schema: Schema, path: string, context: Context): void {
    const before = this.errors.length;
    this.errors.push(...this.#own(schema, path, context));
    this.#below(schema, path, context);
    this.errors.push(
      ...(schema["x-kubernetes-preserve-unknown-fields"] === false
        ? [
            invalid(
              `${path}.x-kubernetes-preserve-unknown-fields`,
              false,
              "must be true or undefined",
            ),
          ]
        : []),
      ...validateMapType(schema, path),
      ...firstErrors(validateListType(schema, path, this.#leniency.atomicSets)),
      ...(this.#leniency.listKeys ? [] : firstErrors(validateListKeys(schema, path))),
      ...firstErrors(validateRuleForms(schema, path)),
    );
    if (context.rules !== undefined && this.errors.length === before) {
      this.ruleErrors.push(...firstErrors(this.#audit.check(context.rules, schema, path)));
    }
  }

  #own(schema: Schema, path: string, context: Context): FieldError[] {
    const { type = "" } = schema;
    const errors =
      this.#leniency.types || type === "" || TYPES.includes(type)
        ? []
        : [notSupported(`${path}.type`, type, TYPES)];
    if (schema.default != null && context.noDefaults !== undefined) {
      errors.push(forbidden(`${path}.default`, `must not be set ${context.noDefaults}`));
    }
    errors.push(
      ...UNSUPPORTED.filter((name) => isGiven(schema[name])).map((name) =>
        forbidden(`${path}.${name}`, `${name} is not supported`),
      ),
    );
    if (type === "null") {
      const rule = "type cannot be set to null, use nullable as an alternative";
      errors.push(forbidden(`${path}.type`, rule));
    }
    if (Array.isArray(schema.items) && schema.items.length > 0) {
      errors.push(forbidden(`${path}.items`, "items must be a schema object and not an array"));
    }
    if (context.insideMeta && schema["x-kubernetes-embedded-resource"] === true) {
      const rule = "must not be used inside of resource meta";
      errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, rule));
    }
    if (schema.uniqueItems === true) {
      const rule =
        "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
      errors.push(forbidden(`${path}.uniqueItems`, rule));
    }
    const { additionalProperties, properties = {} } = schema;
    if (
      additionalProperties !== undefined &&
      additionalProperties !== true &&
      Object.keys(properties).length > 0
    ) {
      const rule = "additionalProperties and properties are mutual exclusive";
      errors.push(forbidden(`${path}.additionalProperties`, rule));
    }
    return errors;
  }

  #below(schema: Schema, path: string, context: Context): void {
    const inner = { ...context, root: false };
    const { additionalProperties, properties = {}, items, not } = schema;
    if (isSchema(additionalProperties)) {
      const noDefaults = context.insideMeta
        ? "inside additionalProperties applying to object metadata"
        : context.noDefaults;
      const rules = context.rules?.members(additionalProperties);
      this.place(additionalProperties, `${path}.additionalProperties`, {
        ...inner,
        noDefaults,
        rules,
      });
    }
    const resource = context.root || schema["x-kubernetes-embedded-resource"] === true;
    for (const [name, each] of Object.entries(properties)) {
      const meta = resource && META_FIELDS.includes(name);
      this.place(each, `${path}.properties[${name}]`, {
        ...inner,
        insideMeta: context.insideMeta || meta,
        rules: context.rules?.property(each, name, path),
        noDefaults: meta && context.root ? `in top-level ${name}` : context.noDefaults,
      });
    }
    const nested = { ...inner, rules: undefined };
    if (not !== undefined) this.place(not, `${path}.not`, nested);
    for (const name of ["allOf", "oneOf", "anyOf"] as const) {
      for (const [index, each] of (schema[name] ?? []).entries()) {
        this.place(each, `${path}.${name}[${index}]`, nested);
      }
    }
    for (const name of ["definitions", "dependencies"] as const) {
      for (const [key, each] of Object.entries<unknown>(schema[name] ?? {})) {
        if (isSchema(each)) this.place(each, `${path}.${name}[${key}]`, nested);
      }
    }
    const list = Array.isArray(items) ? (items as unknown[]) : [items];
    for (const [index, each] of list.entries()) {
      const at = Array.isArray(items) ? `${path}.items[${index}]` : `${path}.items`;
      if (!isSchema(each)) continue;
      this.place(each, at, { ...inner, rules: context.rules?.items(each, path) });
    }
  }
}

const UNSUPPORTED = [
  "id",
  "additionalItems",
  "patternProperties",
  "definitions",
  "dependencies",
  "$ref",
] as const satisfies readonly (keyof Schema)[];

function isGiven(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== "";
}

const REASONS = [
  "FieldValueDuplicate",
  "FieldValueForbidden",
  "FieldValueInvalid",
  "FieldValueRequired",
];
const BREAK = /[\n\r]/;

/** The form of rules, apart from their expressions. */
function validateRuleForms(schema: Schema, path: string): FieldError[] {
  let structural: Structural | undefined;
  const followed = (text: string) => schemaAt((structural ??= structuralOf(schema)), text, true);
  return (schema["x-kubernetes-validations"] ?? []).flatMap((each, index) => {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    const { rule, message = "", messageExpression = "", reason, fieldPath = "" } = each;
    const errors: FieldError[] = [];
    const trimmed = message.trim();
    if (rule.trim() === "") errors.push(required(`${at}.rule`, "rule is not specified"));
    else if (message !== "" && trimmed === "") {
      errors.push(invalid(`${at}.message`, message, "must be non-empty if specified"));
    } else if (BREAK.test(trimmed)) {
      errors.push(invalid(`${at}.message`, message, "must not contain line breaks"));
    } else if (BREAK.test(rule.trim()) && trimmed === "") {
      const why = "message must be specified if rule contains line breaks";
      errors.push(required(`${at}.message`, why));
    }
    if (messageExpression !== "" && messageExpression.trim() === "") {
      const why = "messageExpression must be non-empty if specified";
      errors.push(required(`${at}.messageExpression`, why));
    }
    errors.push(...oneOfIfSet(reason, REASONS, `${at}.reason`));
    return [...errors, ...validateRulePath(followed, fieldPath, `${at}.fieldPath`)];
  });
}

function validateRulePath(
  followed: (text: string) => Found,
  text: string,
  at: string,
): FieldError[] {
  if (text === "") return [];
  const errors = text.trim() === "" ? [invalid(at, text, "must be non-empty if specified")] : [];
  if (BREAK.test(text)) errors.push(invalid(at, text, "must not contain line breaks"));
  if ("wrong" in followed(text)) errors.push(invalid(at, text, "must be a valid path"));
  return errors;
}
