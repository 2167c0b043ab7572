/** Puts together a kind's strategy from the little that makes it differ from others. */
import { isDeepStrictEqual } from "node:util";
import { zeroStruct } from "./codec/json.ts";
import type { FieldError } from "./errors.ts";
import type { KubeObject, Strategy, StrategyContext, UpdateStrategy } from "./kind.ts";
import { type SchemaRef, structOf } from "./schema.ts";
import {
  type Finalizers,
  validateMetadata,
  validateMetadataUpdate,
} from "./validation/metadata.ts";
import { dnsSubdomain, type TextRule } from "./validation/names.ts";

/** The differences between kinds. All are optional: the rest is the same for all. */
export interface StrategyParts<T extends KubeObject> {
  readonly nameRule?: TextRule;
  /**
   * The changes that raise `metadata.generation`: a changed spec, or anything but metadata and
   * status, or annotations too.
   */
  readonly generation?: "spec" | "content" | "annotations";
  /** The finalizers that objects may have. */
  readonly finalizers?: Finalizers;
  /** Keeps the status that a creator sends. */
  readonly statusOnCreate?: boolean;
  defaults?(object: T): void;
  prepareCreate?(object: T, context: StrategyContext): void;
  prepareUpdate?(object: T, old: T, context: StrategyContext): void;
  /** Rules for the whole object, on create and on update. */
  validate?(object: T, context: StrategyContext): FieldError[];
  /** Rules for new objects alone: a stored one may break them. */
  validateCreate?(object: T, context: StrategyContext): FieldError[];
  /** Rules about the change, on update. */
  validateUpdate?(object: T, old: T, context: StrategyContext): FieldError[];
  warnings?(object: T, old?: T): string[];
  readonly createOnUpdate?: boolean;
  readonly unconditionalUpdate?: boolean;
  gracePeriod_s?(object: T, asked_s: number | undefined): number | undefined;
}

interface KindFacts {
  readonly schema: SchemaRef;
  readonly namespaced: boolean;
  /** Whether the kind has a status subresource, so that other writes keep the status. */
  readonly hasStatus: boolean;
}

/** An object by field name: how parts are exchanged without knowing the kind. */
type Fields = Record<string, unknown>;

/** A creator may not set the status: it starts as Go writes one with nothing set. */
function clearStatus(object: KubeObject, schema: SchemaRef): void {
  const shape = structOf(schema).fields.get("status")?.shape;
  if (shape?.is === "struct") (object as KubeObject & Fields).status = zeroStruct(shape.of);
}

/** Everything but identity, metadata and status. */
function contentOf(object: KubeObject): Fields {
  const {
    apiVersion: _version,
    kind: _kind,
    metadata: _metadata,
    ...rest
  } = object as KubeObject & Fields;
  const { status: _status, ...content } = rest;
  return content;
}

/**
 * Raises the generation when anything outside metadata and status differs, or, `withAnnotations`,
 * these; else keeps it.
 */
export function raiseGeneration(
  object: KubeObject,
  old: KubeObject,
  withAnnotations = false,
): void {
  const annotationsOf = ({ metadata }: KubeObject) => metadata.annotations ?? {};
  const same =
    isDeepStrictEqual(contentOf(object), contentOf(old)) &&
    (!withAnnotations || isDeepStrictEqual(annotationsOf(object), annotationsOf(old)));
  const generation = old.metadata.generation ?? 0;
  const next = same ? generation : generation + 1;
  if (next > 0) object.metadata.generation = next;
  else delete object.metadata.generation;
}

/** The strategy of writes to the kind itself, not to a subresource. */
export function makeStrategy<T extends KubeObject>(
  facts: KindFacts,
  parts: StrategyParts<T>,
): Strategy<T> {
  const { nameRule = dnsSubdomain, createOnUpdate = false, unconditionalUpdate = true } = parts;
  return {
    createOnUpdate,
    unconditionalUpdate,
    ...(parts.gracePeriod_s === undefined ? {} : { gracePeriod_s: parts.gracePeriod_s }),
    defaults: (object) => parts.defaults?.(object),
    prepareCreate(object, context) {
      if (facts.hasStatus && parts.statusOnCreate !== true) clearStatus(object, facts.schema);
      // A kind without generations keeps the creator's value (as upstream).
      if (parts.generation !== undefined) object.metadata.generation = 1;
      parts.prepareCreate?.(object, context);
    },
    prepareUpdate(object, old, context) {
      if (facts.hasStatus) keep(object, old, "status");
      parts.prepareUpdate?.(object, old, context);
      if (parts.generation === undefined) keepMetadata(object, old, "generation");
      else raiseGeneration(object, old, parts.generation === "annotations");
    },
    validateCreate: (object, context) => [
      ...validateMetadata(
        object.metadata,
        facts.namespaced,
        nameRule,
        "metadata",
        parts.finalizers,
      ),
      ...(parts.validate?.(object, context) ?? []),
      ...(parts.validateCreate?.(object, context) ?? []),
    ],
    validateUpdate: (object, old, context) => [
      ...metadataFindings(object, old, parts.finalizers),
      ...newFindings((each) => parts.validate?.(each, context) ?? [], object, old),
      ...(parts.validateUpdate?.(object, old, context) ?? []),
    ],
    warnings: (object, old) => parts.warnings?.(object, old) ?? [],
  };
}

/**
 * Returns the findings about the new object that the old one does not have: a rule that is younger
 * than an object refuses no update of it, such as the removal of a finalizer (upstream ratchets).
 */
export function newFindings<T>(
  rules: (object: T) => FieldError[],
  object: T,
  old: T,
): FieldError[] {
  const found = rules(object);
  const before = found.length === 0 ? [] : rules(old);
  // Comparing writes the value of each finding, and all may be about one megabyte.
  if (before.length === 0) return found;
  const borne = Map.groupBy(before, placeless);
  return found.filter((each) => borne.get(placeless(each))?.pop() === undefined);
}

/** A finding wherever in a list it is: an update may have removed what stood before it. */
const placeless = ({ field, ...finding }: FieldError): string =>
  JSON.stringify({ ...finding, field: field.replace(/\[\d+\]/g, "[]") });

/** Puts a field of the old object into the new one, or removes it where the old had none. */
export function keep(object: KubeObject, old: KubeObject, name: string): void {
  const target = object as KubeObject & Fields;
  const value = (old as KubeObject & Fields)[name];
  if (value === undefined) delete target[name];
  else target[name] = structuredClone(value);
}

/** The same for a field of metadata. */
export function keepMetadata(
  object: KubeObject,
  old: KubeObject,
  name: "annotations" | "finalizers" | "generation" | "labels" | "ownerReferences",
): void {
  const target: Fields = object.metadata as Fields;
  const value = old.metadata[name];
  if (value === undefined) delete target[name];
  else target[name] = structuredClone(value);
}

/** Additions of a kind's status subresource to the usual rules: everything but status is kept. */
export interface StatusParts<T extends KubeObject> {
  /** Metadata that the status subresource may not change either. */
  readonly keepLabels?: boolean;
  /** All metadata that users may write (upstream's ResetObjectMetaForStatus). */
  readonly keepMetadata?: boolean;
  /** The finalizers that objects may have. */
  readonly finalizers?: Finalizers;
  prepareUpdate?(object: T, old: T, context: StrategyContext): void;
  validateUpdate?(object: T, old: T, context: StrategyContext): FieldError[];
}

const USER_METADATA = ["labels", "annotations", "finalizers", "ownerReferences"] as const;

/** The strategy of `/status`. */
export function makeStatusStrategy<T extends KubeObject>(parts: StatusParts<T>): UpdateStrategy<T> {
  return {
    prepareUpdate(object, old, context) {
      for (const name of Object.keys({ ...contentOf(object), ...contentOf(old) })) {
        keep(object, old, name);
      }
      keepMetadata(object, old, "generation");
      if (parts.keepLabels === true) keepMetadata(object, old, "labels");
      if (parts.keepMetadata === true) {
        for (const name of USER_METADATA) keepMetadata(object, old, name);
      }
      parts.prepareUpdate?.(object, old, context);
    },
    validateUpdate: (object, old, context) => [
      ...metadataFindings(object, old, parts.finalizers),
      ...(parts.validateUpdate?.(object, old, context) ?? []),
    ],
  };
}

/** Upstream looks at metadata for any kind, and again for each: a cause stands twice. */
function metadataFindings(
  { metadata }: KubeObject,
  old: KubeObject,
  finalizers: Finalizers | undefined,
): FieldError[] {
  const findings = validateMetadataUpdate(metadata, old.metadata, "metadata", finalizers);
  return [...findings, ...findings];
}
