/** CustomResourceDefinition: a kind that users add. */
import type {
  CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionNames,
} from "../../gen/apiextensions/v1.ts";
import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { forbidden, invalid, notSupported, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";
import { dns1035Label, dnsSubdomain } from "../../validation/names.ts";
import { validateClient } from "../../validation/webhook-client.ts";
import { validateVersions } from "./versions.ts";

const SCOPES = ["Cluster", "Namespaced"];
const STRATEGIES = ["None", "Webhook"];
const REVIEW_VERSIONS = ["v1", "v1beta1"];
const HTTPS = 443;

function defaults({ spec }: CustomResourceDefinition): void {
  const { names } = spec;
  names.singular ||= names.kind.toLowerCase();
  if (names.kind !== "") names.listKind ||= `${names.kind}List`;
  spec.conversion ??= { strategy: "None" };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service !== undefined) service.port ??= HTTPS;
}

function validateNames(names: CustomResourceDefinitionNames): FieldError[] {
  const { plural, singular = "", kind, listKind = "", shortNames = [], categories = [] } = names;
  const path = "spec.names";
  const label = (text: string, at: string): FieldError[] =>
    dns1035Label(text).map((each) => invalid(at, text, each));
  const named = ([["plural", plural], ["singular", singular]] as const).flatMap(([name, text]) =>
    text === "" ? [required(`${path}.${name}`)] : label(text, `${path}.${name}`));
  const kinds = ([["kind", kind], ["listKind", listKind]] as const).flatMap(([name, text]) =>
    text === "" ? [required(`${path}.${name}`)]
      : dns1035Label(text.toLowerCase()).map((each) => invalid(`${path}.${name}`, text,
        `may have mixed case, but should otherwise match: ${each}`)));
  const same = kind !== "" && kind === listKind
    ? [invalid(`${path}.listKind`, listKind, "kind and listKind may not be the same")] : [];
  return [...named, ...kinds, ...same,
    ...shortNames.flatMap((each, index) => label(each, `${path}.shortNames[${index}]`)),
    ...categories.flatMap((each, index) => label(each, `${path}.categories[${index}]`))];
}

function validateReviewVersions(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors = versions.flatMap((version, index) => versions.indexOf(version) < index
    ? [invalid(`${path}[${index}]`, version, "duplicate version")]
    : dns1035Label(version).map((each) => invalid(`${path}[${index}]`, version, each)));
  if (versions.some((each) => REVIEW_VERSIONS.includes(each))) return errors;
  return [...errors, invalid(path, versions,
    `must include at least one of ${REVIEW_VERSIONS.join(", ")}`)];
}

/** Complaints name the fields as upstream keeps them, not as this version has them. */
function validateConversion(
  { strategy, webhook }: Partial<CustomResourceConversion>, path: string,
): FieldError[] {
  const client = `${path}.webhookClientConfig`;
  const versions = `${path}.conversionReviewVersions`;
  const reviews = webhook?.conversionReviewVersions ?? [];
  if (strategy === "Webhook") {
    return [
      ...(webhook?.clientConfig === undefined
        ? [required(client, "required when strategy is set to Webhook")]
        : validateClient(webhook.clientConfig, client)),
      ...validateReviewVersions(reviews, versions),
    ];
  }
  const why = "should not be set when strategy is not set to Webhook";
  return [
    ...((strategy ?? "") === "" ? [required(`${path}.strategy`)]
      : STRATEGIES.includes(strategy!) ? []
      : [notSupported(`${path}.strategy`, strategy, STRATEGIES)]),
    ...(webhook?.clientConfig === undefined ? [] : [forbidden(client, why)]),
    ...(reviews.length === 0 ? [] : [forbidden(versions, why)]),
  ];
}

function validateGroup(group: string): FieldError[] {
  if (group === "") return [required("spec.group")];
  const wrong = dnsSubdomain(group).map((each) => invalid("spec.group", group, each));
  return wrong.length > 0 || group.includes(".") ? wrong
    : [invalid("spec.group", group, "should be a domain with at least one dot")];
}

/** The name says what is defined, and objects are stored in some version from the first. */
function validateCreate({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  const wanted = `${spec.names.plural}.${spec.group}`;
  const { name = "" } = metadata;
  const errors = name === wanted || name === "" ? []
    : [invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
  return spec.versions.some((each) => each.storage) ? errors : [...errors,
    invalid("status.storedVersions", [], "must have at least one stored version")];
}

function validate({ spec }: CustomResourceDefinition): FieldError[] {
  const scope: string = spec.scope ?? "";
  return [...validateGroup(spec.group),
    ...(scope === "" ? [required("spec.scope")]
      : SCOPES.includes(scope) ? [] : [notSupported("spec.scope", scope, SCOPES)]),
    ...validateNames(spec.names), ...validateConversion(spec.conversion ?? {}, "spec.conversion"),
    ...validateVersions(spec.versions)];
}

/** Stored objects use these names, and versions that must stay readable. */
function validateUpdate(
  object: CustomResourceDefinition, old: CustomResourceDefinition,
): FieldError[] {
  const versions = new Set(object.spec.versions.map((each) => each.name));
  const left = (old.status?.storedVersions ?? []).flatMap((each, index) => versions.has(each) ? []
    : [invalid(`status.storedVersions[${index}]`, each, "missing from spec.versions; it is a " +
      "version in which objects may be stored")]);
  return [
    ...immutable("spec.group", object.spec.group, old.spec.group),
    ...immutable("spec.scope", object.spec.scope, old.spec.scope),
    ...immutable("spec.names.kind", object.spec.names.kind, old.spec.names.kind),
    ...immutable("spec.names.plural", object.spec.names.plural, old.spec.names.plural),
    ...left,
  ];
}

const SCHEMA = "apiextensions/v1.CustomResourceDefinition";

export const customResourceDefinition: Kind<CustomResourceDefinition> =
  defineKind<CustomResourceDefinition>(SCHEMA, {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    status: { finalizers: "any" },
    defaults,
    prepareCreate(object) {
      const stored = object.spec.versions.filter((each) => each.storage).map(({ name }) => name);
      const status = { ...object.status! };
      if (stored.length > 0) status.storedVersions = stored;
      object.status = status;
    },
    validate,
    validateCreate,
    validateUpdate,
    columns: [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null,
        { type: "date" }),
    ],
  });
