/** How custom resources are created, updated and validated. */
import { isDeepStrictEqual } from "node:util";
import { type FieldError, invalid } from "@raft2kube/api/errors.ts";
import type { CustomResourceSubresourceScale } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { KubeObject, Strategy, StrategyContext, UpdateStrategy } from "@raft2kube/api/kind.ts";
import { validateMetadata, validateMetadataUpdate } from "@raft2kube/api/validation/metadata.ts";
import { dnsSubdomain, qualifiedName } from "@raft2kube/api/validation/names.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { Correlated } from "./correlate.ts";
import { applyDefaults } from "./defaults.ts";
import { validateEmbedded } from "./embedded.ts";
import { DEFAULTED_VALUES_MAX, QUICK_DEFAULTS_MAX } from "./limits.ts";
import { validateLists } from "./lists.ts";
import { validateScaleSpec, validateScaleStatus } from "./scale.ts";
import type { Structural } from "./structural.ts";
import { ROOT, validateValue } from "./validate.ts";

/** The parts that the strategies of one version are made of. */
export interface Parts {
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  /** Whether the version has a status subresource. */
  readonly hasStatus: boolean;
  readonly scale: CustomResourceSubresourceScale | undefined;
  /** The schema; undefined where the version has none. */
  schema(): Structural | undefined;
  /** Checks the rules of x-kubernetes-validations; undefined where the schema has none. */
  rules(): CheckRules | undefined;
}

/**
 * Evaluates the rules about an object, with the old one on update. Throws StepsExceededError when
 * they take more than `steps_max` together.
 */
export type CheckRules = (
  object: KubeObject,
  old: KubeObject | undefined,
  pair: Correlated | undefined,
  context: RulesContext,
) => FieldError[];

/** The bound of a check, and the taker of failures that are no errors, as nothing changed there. */
export type RulesContext = Pick<StrategyContext, "steps_max" | "warn">;

type Fields = KubeObject & { status?: unknown };

/** The strategy of writes to the resource itself. */
export function customStrategy(parts: Parts): Strategy<KubeObject> {
  return {
    createOnUpdate: false,
    unconditionalUpdate: false,
    defaults(object, steps_max) {
      const values_max = steps_max === undefined ? DEFAULTED_VALUES_MAX : QUICK_DEFAULTS_MAX;
      if (applyDefaults(parts.schema(), object, values_max)) return;
      if (steps_max !== undefined) throw new StepsExceededError(steps_max);
      throw badRequest(
        `the defaults of the schema add more than ${DEFAULTED_VALUES_MAX} values ` +
          "to the object: write fewer items that have defaults, or make the defaults smaller",
      );
    },
    prepareCreate(object) {
      if (parts.hasStatus) delete (object as Fields).status;
      object.metadata.generation = 1;
    },
    prepareUpdate: (object, old) => prepareUpdate(parts, object, old),
    validateCreate(object, context) {
      const wrongType = validateType(parts, object);
      const errors =
        wrongType.length > 0
          ? wrongType
          : [
              ...validateMetadata(
                object.metadata,
                parts.namespaced,
                dnsSubdomain,
                "metadata",
                "any",
              ),
              ...validateSchema(parts, object),
              ...validateScaleSpec(parts.scale, object),
              ...validateScaleStatus(parts.scale, object),
            ];
      errors.push(...validateEmbedded(parts.schema(), object));
      errors.push(...validateLists(parts.schema(), object));
      return withRules(parts, context, errors, object);
    },
    validateUpdate(object, old, context) {
      const pair = pairOf(parts, object, old);
      const errors = updateErrors(parts, object, old, () => [
        ...validateSchema(parts, object, pair),
        ...validateScaleSpec(parts.scale, object),
        ...validateScaleStatus(parts.scale, object),
      ]);
      errors.push(...validateEmbedded(parts.schema(), object));
      errors.push(...validateNewLists(parts, object, old));
      return withRules(parts, context, errors, object, old, pair);
    },
    warnings: finalizerWarnings,
  };
}

/** The strategy of `/status`, which changes nothing else. */
export function customStatusStrategy(parts: Parts): UpdateStrategy<KubeObject> {
  return {
    prepareUpdate: replaceStatus,
    validateUpdate(object, old, context) {
      const pair = pairOf(parts, object, old);
      const schema = parts.schema()?.properties?.get("status");
      const { status } = object as Fields;
      const errors = updateErrors(parts, object, old, () => [
        ...(status === undefined || schema === undefined
          ? []
          : validateValue(schema, status, pair?.key("status"), "status")),
        ...validateScaleStatus(parts.scale, object),
      ]);
      errors.push(...validateNewLists(parts, object, old));
      return withRules(parts, context, errors, object, old, pair);
    },
  };
}

/**
 * Makes the object of a request to `/status` the old one with its status, in place. Of its metadata
 * only managedFields and resourceVersion count.
 */
function replaceStatus(object: KubeObject, old: KubeObject): void {
  // lab:21 begin replace-status
  const {
    status,
    metadata: { managedFields, resourceVersion },
  } = object as Fields;
  const fields = object as unknown as Record<string, unknown>;
  for (const name of Object.keys(fields)) delete fields[name];
  Object.assign(object, cloneObject(old));
  Object.assign(object.metadata, { managedFields, resourceVersion });
  for (const name of ["managedFields", "resourceVersion"] as const) {
    if (object.metadata[name] === undefined) delete object.metadata[name];
  }
  if (status === undefined) delete (object as Fields).status;
  else (object as Fields).status = status;
  // lab:21 end
}

/**
 * Keeps the old status where the version has that subresource, and counts the generation: one more
 * than before when anything but the metadata changed. An object without a generation keeps none
 * until then.
 */
function prepareUpdate(parts: Parts, object: KubeObject, old: KubeObject): void {
  // lab:21 begin prepare-update
  if (parts.hasStatus) {
    const { status } = old as Fields;
    if (status === undefined) delete (object as Fields).status;
    else (object as Fields).status = cloneObject(status);
  }
  const { metadata: _own, ...content } = object;
  const { metadata: _old, ...before } = old;
  const generation = (old.metadata.generation ?? 0) + (isDeepStrictEqual(content, before) ? 0 : 1);
  if (generation === 0) delete object.metadata.generation;
  else object.metadata.generation = generation;
  // lab:21 end
}

function validateType({ kind, apiVersion }: Parts, object: KubeObject): FieldError[] {
  return [
    ...(object.kind === kind ? [] : [invalid("kind", object.kind ?? "", `must be ${kind}`)]),
    ...(object.apiVersion === apiVersion
      ? []
      : [invalid("apiVersion", object.apiVersion ?? "", `must be ${apiVersion}`)]),
  ];
}

function validateSchema(parts: Parts, object: KubeObject, pair?: Correlated): FieldError[] {
  const schema = parts.schema();
  return schema === undefined ? [] : validateValue(schema, object, pair);
}

/**
 * The errors of metadata, and those of the content unless the object is of another kind. Upstream
 * looks at metadata for any kind, and again for this one: a cause stands twice.
 */
function updateErrors(
  parts: Parts,
  object: KubeObject,
  old: KubeObject,
  content: () => FieldError[],
): FieldError[] {
  const metadata = validateMetadataUpdate(object.metadata, old.metadata, "metadata", "any");
  const wrongType = validateType(parts, object);
  return [...metadata, ...(wrongType.length > 0 ? wrongType : [...metadata, ...content()])];
}

/** Finds doubled items, unless the old object had some. */
function validateNewLists(parts: Parts, object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validateLists(parts.schema(), object);
  return errors.length > 0 && validateLists(parts.schema(), old).length > 0 ? [] : errors;
}

function pairOf(parts: Parts, object: KubeObject, old: KubeObject): Correlated | undefined {
  const schema = parts.schema();
  return schema && new Correlated(object, old, schema);
}

/** Errors after which rules are not evaluated: the values have not the types that rules expect. */
const BLOCKING: ReadonlySet<string> = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);

function withRules(
  parts: Parts,
  context: RulesContext,
  errors: FieldError[],
  object: KubeObject,
  old?: KubeObject,
  pair?: Correlated,
): FieldError[] {
  const check = parts.rules();
  if (check === undefined) return errors;
  if (errors.some(({ type }) => BLOCKING.has(type))) {
    const rule =
      "some validation rules were not checked because the " +
      "object was invalid; correct the existing errors to complete validation";
    return [...errors, invalid(ROOT, null, rule)];
  }
  return [...errors, ...check(object, old, pair, context)];
}

const STANDARD_FINALIZERS = ["orphan", "foregroundDeletion", "kubernetes"];

function finalizerWarnings(object: KubeObject, old?: KubeObject): string[] {
  const known = new Set(old?.metadata.finalizers);
  const added = (object.metadata.finalizers ?? []).filter((each) => !known.has(each));
  return [...new Set(added)].sort().flatMap((name) => {
    const at = `metadata.finalizers: ${JSON.stringify(name)}`;
    const wrong = qualifiedName(name).map((each) => `${at}: ${each}`);
    if (name.includes("/") || STANDARD_FINALIZERS.includes(name)) return wrong;
    const path = name.includes(".") ? " including a path (/)" : "";
    return [
      ...wrong,
      `${at}: prefer a domain-qualified finalizer name${path} to avoid ` +
        "accidental conflicts with other finalizer writers",
    ];
  });
}
