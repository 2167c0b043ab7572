/** Errors that an update may leave as they are, since the stored definition had them before. */
import { isDeepStrictEqual } from "node:util";
import type {
  CustomResourceDefinition,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { isSetOfMutable, validateListKeys } from "./list-rules.ts";
import { hasKnownReview, validateCaBundle, type WebhookLeniency } from "./names.ts";
import { hasUnprunedDefault } from "./schema-defaults.ts";
import { unstructured, validateStructural } from "./structural-rules.ts";
import { schemasIn, TYPES } from "./walk.ts";

/** The rules that are not applied to a definition, as its old one broke them. */
export interface Leniency extends WebhookLeniency {
  /** A version without a schema. */
  readonly schemas: boolean;
  readonly types: boolean;
  readonly structure: boolean;
  readonly prunedDefaults: boolean;
  readonly atomicSets: boolean;
  readonly listKeys: boolean;
  /** Versions whose schemas are the same as before: the cost of their rules is not asked for. */
  readonly unchanged: ReadonlySet<string>;
  /** Versions that have too many selectable fields, the same as before. */
  readonly selectable: ReadonlySet<string>;
}

/** The rules for a new definition. An unestablished one may have any bundle of certificates. */
export const STRICT: Leniency = {
  reviewVersions: false,
  caBundle: true,
  schemas: false,
  types: false,
  structure: false,
  prunedDefaults: false,
  atomicSets: false,
  listKeys: false,
  unchanged: new Set(),
  selectable: new Set(),
};

/** Selectable fields of a version. */
export const SELECTABLE_MAX = 8;

export function leniencyOf(crd: CustomResourceDefinition, old: CustomResourceDefinition): Leniency {
  const schemas = old.spec.versions.flatMap(({ schema }) => schema?.openAPIV3Schema ?? []);
  const some = (wrong: (schema: JSONSchemaProps) => boolean) =>
    schemas.some((whole) => schemasIn(whole).some(wrong));
  const same = (part: "schema" | "selectableFields") =>
    crd.spec.versions.filter((version) => {
      const before = old.spec.versions.find(({ name }) => name === version.name);
      return before !== undefined && isDeepStrictEqual(before[part], version[part]);
    });
  const reviews = old.spec.conversion?.webhook?.conversionReviewVersions ?? [];
  const bundle = old.spec.conversion?.webhook?.clientConfig?.caBundle;
  return {
    reviewVersions: reviews.length > 0 && !hasKnownReview(reviews),
    caBundle: !isEstablished(old) || (bundle ? validateCaBundle(bundle, "").length > 0 : false),
    schemas: schemas.length < old.spec.versions.length,
    types: some(({ type = "" }) => type !== "" && !TYPES.includes(type)),
    structure: schemas.some(
      (each) => unstructured(each) !== undefined || validateStructural(each, "").length > 0,
    ),
    prunedDefaults: schemas.some(hasUnprunedDefault),
    atomicSets: some(isSetOfMutable),
    listKeys: some((each) => validateListKeys(each, "").length > 0),
    unchanged: new Set(same("schema").map(({ name }) => name)),
    selectable: new Set(
      same("selectableFields")
        .filter(({ selectableFields = [] }) => selectableFields.length > SELECTABLE_MAX)
        .map(({ name }) => name),
    ),
  };
}

/** Whether the definition's objects were ever served. */
export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  (status?.conditions ?? []).some((each) => each.type === "Established" && each.status === "True");
