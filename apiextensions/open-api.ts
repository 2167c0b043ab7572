/** The schemas of custom resources as OpenAPI publishes them. */
import type {
  CustomResourceDefinition,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { isIntOrString, unstructured, validateStructural } from "./definition/structural-rules.ts";
import { additionalSchema, BOUNDS, itemSchema, schemasIn, TYPES } from "./definition/walk.ts";

type Json = { [key: string]: unknown };
type Dialect = "v2" | "v3";

/** The definitions of one version: of the kind and of its list. */
export interface CustomDefinitions {
  /** `com.example.stable.v1.CronTab`. */
  readonly name: string;
  readonly listName: string;
  /** Both schemas by name, with references to `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`. */
  readonly schemas: Readonly<Record<string, Json>>;
}

const PREFIXES: Readonly<Record<Dialect, string>> = {
  v2: "#/definitions/",
  v3: "#/components/schemas/",
};
const META = "io.k8s.apimachinery.pkg.apis.meta.v1";

/**
 * The fields of every object, in our own words after the first, which clients look for in what
 * `kubectl explain` prints.
 */
const API_VERSION: Json = {
  type: "string",
  description: "APIVersion defines group and version of the object's form, as `example.com/v1`.",
};
const METADATA = "Standard object's metadata: its name, labels, annotations and owners.";
const KIND: Json = { type: "string", description: "The kind of the object." };

/** The definitions of a version, for a document. Version 2 lacks what it cannot say. */
export function definitionsOf(
  crd: CustomResourceDefinition,
  version: string,
  dialect: Dialect,
): CustomDefinitions {
  const { group } = crd.spec;
  const { kind, listKind = `${kind}List`, plural } = crd.spec.names;
  const reversed = group.split(".").reverse().join(".");
  const [name, listName] = [`${reversed}.${version}.${kind}`, `${reversed}.${version}.${listKind}`];
  const defined = crd.spec.versions.find((each) => each.name === version);
  const fields = (defined?.selectableFields ?? []).map(({ jsonPath }) => ({
    fieldPath: jsonPath.replace(/^\./, ""),
  }));
  const extensions = (of: string): Json => ({
    "x-kubernetes-group-version-kind": [{ group, kind: of, version }],
    ...(fields.length === 0 ? {} : { "x-kubernetes-selectable-fields": fields }),
  });
  const list: Json = {
    type: "object",
    description: `A list of objects of kind ${kind}.`,
    required: ["items"],
    properties: {
      apiVersion: API_VERSION,
      kind: KIND,
      items: {
        type: "array",
        items: { $ref: PREFIXES[dialect] + name },
        description: `The ${plural}.`,
      },
      metadata: reference(dialect, "ListMeta", "Metadata of the list."),
    },
    ...extensions(listKind),
  };
  const own = {
    ...wholeSchema(
      defined?.schema?.openAPIV3Schema,
      crd.spec.preserveUnknownFields === true,
      dialect,
    ),
    ...extensions(kind),
  };
  return { name, listName, schemas: { [name]: own, [listName]: list } };
}

/** A reference that has a description beside it. */
function reference(dialect: Dialect, type: string, description: string): Json {
  const ref = { $ref: `${PREFIXES[dialect]}${META}.${type}` };
  return dialect === "v2" ? { ...ref, description } : { allOf: [ref], description };
}

/**
 * The schema of whole objects. One that is not structural says nothing, nor does one for version 2
 * that preserves unknown fields: kubectl would refuse them.
 */
function wholeSchema(
  props: JSONSchemaProps | undefined,
  preserves: boolean,
  dialect: Dialect,
): Json {
  if (props === undefined || !isPublished(props)) return { type: "object" };
  const open = preserves || props["x-kubernetes-preserve-unknown-fields"] === true;
  if (open && dialect === "v2") return { type: "object" };
  const schema = schemaOf(props, dialect);
  return { ...schema, properties: { ...(schema["properties"] as Json), ...ownFields(dialect) } };
}

function ownFields(dialect: Dialect): Json {
  const metadata = reference(dialect, "ObjectMeta", METADATA);
  return { apiVersion: API_VERSION, kind: KIND, metadata };
}

function isPublished(props: JSONSchemaProps): boolean {
  const typed = schemasIn(props).every(({ type = "" }) => type === "" || TYPES.includes(type));
  return typed && unstructured(props) === undefined && validateStructural(props, "").length === 0;
}

/** Fields of a schema that hold no schemas and mean the same in OpenAPI. */
const PLAIN = [
  "description",
  "type",
  "format",
  "title",
  ...BOUNDS,
  "enum",
  "maxProperties",
  "minProperties",
  "required",
  "externalDocs",
  "example",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-list-type",
  "x-kubernetes-map-type",
  "x-kubernetes-validations",
] as const satisfies readonly (keyof JSONSchemaProps)[];

function schemaOf(props: JSONSchemaProps, dialect: Dialect): Json {
  const schema: Json = {};
  for (const name of PLAIN) if (props[name] !== undefined) schema[name] = props[name];
  const preserves = props["x-kubernetes-preserve-unknown-fields"] === true;
  if (dialect === "v3") {
    if (props.default != null) schema["default"] = props.default;
    if (props.nullable === true) schema["nullable"] = true;
    Object.assign(schema, junctorsOf(props));
  }
  const untyped = dialect === "v2" && (props.nullable === true || preserves);
  const items = itemSchema(props);
  if (!untyped) {
    if (items !== undefined) schema["items"] = schemaOf(items, dialect);
    if (props.properties !== undefined) {
      schema["properties"] = Object.fromEntries(
        Object.entries(props.properties).map(([name, each]) => [name, schemaOf(each, dialect)]),
      );
    }
  }
  const rest = additionalSchema(props);
  if (rest !== undefined) schema["additionalProperties"] = schemaOf(rest, dialect);
  else if (typeof props.additionalProperties === "boolean") {
    schema["additionalProperties"] = props.additionalProperties;
  }
  if (dialect === "v2") forVersion2(props, schema, preserves);
  if (props["x-kubernetes-embedded-resource"] === true && !(dialect === "v2" && preserves)) {
    schema["properties"] = { ...(schema["properties"] as Json), ...ownFields(dialect) };
    schema["required"] = [...new Set([...(props.required ?? []), "kind", "apiVersion"])];
  }
  return schema;
}

/** Removes, in place, types that kubectl cannot cope with, and demands that it must not make. */
function forVersion2(props: JSONSchemaProps, schema: Json, preserves: boolean): void {
  if (props.nullable === true || (preserves && props.type === "object")) delete schema["type"];
  if (props.type === "array" && schema["items"] === undefined) delete schema["type"];
  const required = props.required?.filter((name) => props.properties?.[name]?.nullable !== true);
  if (required?.length === 0 || additionalSchema(props)?.nullable === true) {
    delete schema["required"];
  } else if (required !== undefined) schema["required"] = required;
}

const EITHER: readonly Json[] = [{ type: "integer" }, { type: "string" }];

/** The alternatives of a schema; of int-or-string, those that it implies. */
function junctorsOf(props: JSONSchemaProps): Json {
  const all = (list: readonly JSONSchemaProps[] | undefined) =>
    list?.map((each) => schemaOf(each, "v3"));
  const { anyOf, allOf, oneOf, not } = props;
  const found: Json = {
    anyOf: all(anyOf),
    allOf: all(allOf),
    oneOf: all(oneOf),
    not: not && schemaOf(not, "v3"),
  };
  const stated = isIntOrString(anyOf) || isIntOrString(allOf?.[0]?.anyOf);
  if (props["x-kubernetes-int-or-string"] === true && !stated) {
    if (anyOf === undefined) found["anyOf"] = EITHER;
    else found["allOf"] = [{ anyOf: EITHER }, ...(all(allOf) ?? [])];
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
