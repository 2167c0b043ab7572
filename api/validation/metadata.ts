/** Validation of `metadata`, which is the same for every kind but for the form of its name. */
import { isDeepStrictEqual } from "node:util";
import { type FieldError, forbidden, invalid, required, tooLong } from "../errors.ts";
import type { ObjectMeta, OwnerReference } from "../gen/meta/v1.ts";
import { eachOf, invalidBy } from "./checks.ts";
import { dnsLabel, labelValue, qualifiedName, type TextRule } from "./names.ts";

const ANNOTATIONS_BYTES_MAX = 256 * 1024;
const IMMUTABLE = "field is immutable";
const ORPHAN = "orphan";
const FOREGROUND = "foregroundDeletion";
const STANDARD_FINALIZERS = ["kubernetes", ORPHAN, FOREGROUND];

/** The keys and values of labels at a path. */
export function validateLabels(labels: Record<string, string> = {}, path: string): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...invalidBy(qualifiedName, path, key),
    ...invalidBy(labelValue, path, value),
  ]);
}

/** The keys of annotations at a path, and the size of `all` that are there. */
export function validateAnnotations(
  annotations: Record<string, string> = {},
  path: string,
  all = annotations,
): FieldError[] {
  const errors = Object.keys(annotations).flatMap((key) =>
    qualifiedName(key.toLowerCase()).map((each) => invalid(path, key, each)),
  );
  const size_bytes = Object.entries(all).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (size_bytes > ANNOTATIONS_BYTES_MAX) errors.push(tooLong(path, ANNOTATIONS_BYTES_MAX));
  return errors;
}

function validateOwner(owner: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const version = owner.apiVersion.split("/").at(-1) ?? "";
  if (version === "" || owner.apiVersion.split("/").length > 2) {
    errors.push(invalid(`${path}.apiVersion`, owner.apiVersion, "version must not be empty"));
  }
  for (const name of ["kind", "name", "uid"] as const) {
    if (owner[name] === "") errors.push(invalid(`${path}.${name}`, "", "must not be empty"));
  }
  if (owner.kind === "Event" && /^(v1|events\.k8s\.io\/.*)$/.test(owner.apiVersion)) {
    errors.push(invalid(path, owner, "Event is disallowed from being an owner"));
  }
  return errors;
}

function validateOwners(owners: OwnerReference[] = [], path: string): FieldError[] {
  const errors = owners.flatMap((each) => validateOwner(each, path));
  const controllers = owners
    .filter((each) => each.controller === true)
    .map((each) => `${each.kind}/${each.name}`);
  for (const extra of controllers.slice(1)) {
    const rule =
      "Only one reference can have Controller set to true. " +
      `Found "true" in references for ${controllers[0]} and ${extra}`;
    errors.push(invalid(path, owners, rule));
  }
  return errors;
}

function validateFinalizers(
  finalizers: string[] = [],
  path: string,
  allowed: Finalizers,
): FieldError[] {
  const errors = finalizers.flatMap((name) => invalidBy(qualifiedName, path, name));
  if (finalizers.includes(ORPHAN) && finalizers.includes(FOREGROUND)) {
    const rule = `finalizer ${ORPHAN} and ${FOREGROUND} cannot be both set`;
    errors.push(invalid(path, finalizers, rule));
  }
  return allowed === "any" ? errors : [...errors, ...validateStandard(finalizers, path)];
}

/** Whether finalizers without a path must be Kubernetes' own: custom resources may have others. */
export type Finalizers = "standard" | "any";

/** A finalizer without a domain must be one of Kubernetes' own. */
function validateStandard(finalizers: string[] = [], path: string): FieldError[] {
  return eachOf(finalizers, path, (name, at) => {
    if (name.includes("/") || STANDARD_FINALIZERS.includes(name)) return [];
    const rule = "name is neither a standard finalizer name nor is it fully qualified";
    return [invalid(at, name, rule)];
  });
}

/** A prefix may end with a dash, since characters follow it. */
function generatedNameComplaints(prefix: string, rule: TextRule): string[] {
  const masked = prefix.length > 1 && prefix.endsWith("-") ? `${prefix.slice(0, -2)}a` : prefix;
  return rule(masked);
}

/** Metadata of an object about to be created. */
export function validateMetadata(
  meta: ObjectMeta,
  namespaced: boolean,
  nameRule: TextRule,
  path = "metadata",
  finalizers: Finalizers = "standard",
): FieldError[] {
  const errors: FieldError[] = [];
  const { name = "", generateName = "", namespace = "" } = meta;
  if (generateName !== "") {
    errors.push(
      ...generatedNameComplaints(generateName, nameRule).map((each) =>
        invalid(`${path}.generateName`, generateName, each),
      ),
    );
  }
  if (name === "") errors.push(required(`${path}.name`, "name or generateName is required"));
  else errors.push(...invalidBy(nameRule, `${path}.name`, name));
  if (!namespaced && namespace !== "") {
    errors.push(forbidden(`${path}.namespace`, "not allowed on this type"));
  } else if (namespaced && namespace === "") errors.push(required(`${path}.namespace`));
  else if (namespaced) {
    errors.push(...invalidBy(dnsLabel, `${path}.namespace`, namespace));
  }
  if ((meta.generation ?? 0) < 0) {
    const rule = "must be greater than or equal to 0";
    errors.push(invalid(`${path}.generation`, meta.generation, rule));
  }
  return [
    ...errors,
    ...validateMutable(meta, path),
    ...validateFinalizers(meta.finalizers, `${path}.finalizers`, finalizers),
  ];
}

const validateMutable = (meta: ObjectMeta, path: string): FieldError[] => [
  ...validateLabels(meta.labels, `${path}.labels`),
  ...validateAnnotations(meta.annotations, `${path}.annotations`),
  ...validateOwners(meta.ownerReferences, `${path}.ownerReferences`),
];

const IMMUTABLE_FIELDS = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

/** Metadata of an object about to replace `old`. */
export function validateMetadataUpdate(
  meta: ObjectMeta,
  old: ObjectMeta,
  path = "metadata",
  finalizers: Finalizers = "standard",
): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp !== undefined) {
    const known = new Set(old.finalizers);
    const extra = (meta.finalizers ?? []).filter((each) => !known.has(each));
    if (extra.length > 0) {
      const shown = extra
        .sort()
        .map((each) => JSON.stringify(each))
        .join(", ");
      const rule =
        "no new finalizers can be added if the object " +
        `is being deleted, found new finalizers []string{${shown}}`;
      errors.push(forbidden(`${path}.finalizers`, rule));
    }
  }
  if ((meta.resourceVersion ?? "") === "") {
    errors.push(invalid(`${path}.resourceVersion`, "", "must be specified for an update"));
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalid(`${path}.generation`, meta.generation ?? 0, "must not be decremented"));
  }
  for (const name of IMMUTABLE_FIELDS) {
    if (meta[name] !== old[name]) {
      errors.push(invalid(`${path}.${name}`, meta[name] ?? emptyOf(name), IMMUTABLE));
    }
  }
  return [
    ...errors,
    ...validateMutable(meta, path),
    ...validateFinalizers(meta.finalizers, `${path}.finalizers`, finalizers),
  ];
}

/** Go's text of an unset field: "" for strings, null for pointers and times. */
function emptyOf(name: (typeof IMMUTABLE_FIELDS)[number]): string | null {
  return name === "name" || name === "namespace" || name === "uid" ? "" : null;
}

/** The error of a changed field that may not change; none when it is the same. */
export function immutable(path: string, value: unknown, old: unknown): FieldError[] {
  return isDeepStrictEqual(value, old) ? [] : [invalid(path, value, IMMUTABLE)];
}

/** The errors of numbers of a status that are below zero. */
export const validateCounts = <T extends object>(
  status: T | undefined,
  names: readonly (keyof T & string)[],
): FieldError[] =>
  names.flatMap((name) => nonNegative(`status.${name}`, status?.[name] as number | undefined));

/** The names of revisions that collided are not tried again. */
export function notDecremented(
  now: { readonly collisionCount?: number } | undefined,
  old: { readonly collisionCount?: number } | undefined,
): FieldError[] {
  const { collisionCount: count } = now ?? {};
  const before = old?.collisionCount;
  if (before === undefined || (count !== undefined && count >= before)) return [];
  return [invalid("status.collisionCount", count ?? 0, "cannot be decremented")];
}

/** The error of a number below zero. */
export function nonNegative(path: string, value: number | undefined): FieldError[] {
  if (value === undefined || value >= 0) return [];
  return [invalid(path, value, "must be greater than or equal to 0")];
}
