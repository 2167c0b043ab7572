import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeObject, type Envelope, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { GroupVersionKind, KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { isRetired } from "@raft2kube/api/retired.ts";
import type { SchemaRef } from "@raft2kube/api/schema.ts";
import { type ApiError, isReason } from "../errors/api-error.ts";
import { badRequest, invalid, unsupportedMediaType } from "../errors/catalog.ts";
import { apiVersionOf, parseApiVersion } from "../group-version.ts";
import { isTooDeep } from "../json/depth.ts";
import { BODY_DEPTH_MAX } from "../limits.ts";
import { type Document, parseJson } from "./json-document.ts";
import { JSON_TYPE, OBJECT_TYPES, PROTOBUF_TYPE, YAML_TYPE } from "./media-types.ts";

/** How strictly fields that the kind does not have are taken. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** Parses a body by its content type. Throws 400 on malformed text, 415 on another type. */
export async function parseBody(type: string, body: Buffer): Promise<Document> {
  if (type === JSON_TYPE) return parseJson(body);
  if (type === YAML_TYPE) {
    const json = jsonIn(body);
    if (json !== undefined) return json;
    const { parseYaml } = await import("./yaml-document.ts");
    return parseYaml(body);
  }
  throw unsupportedMediaType(OBJECT_TYPES);
}

/** A number that may be none, or another one, in YAML; or text like it. */
const ODD_NUMBER = /[[:,\s](-0|-?[\d.]+[Ee])/;

/**
 * Returns a body of YAML that is JSON, as most clients send what they apply; it is read in a
 * twentieth of the time. Returns undefined where its meaning or its complaints may be others.
 */
function jsonIn(body: Buffer): Document | undefined {
  if (body[0] !== 0x7b || ODD_NUMBER.test(body.toString())) return undefined;
  try {
    const document = parseJson(body);
    return document.duplicates.length === 0 ? document : undefined;
  } catch (thrown) {
    if (isReason(thrown, "BadRequest")) return undefined;
    throw thrown;
  }
}

export interface DecodeOptions {
  /** The URL's kind, for bodies without one. */
  kind: GroupVersionKind;
  /** Older API versions of the same body that are taken as well. */
  otherVersions?: readonly string[];
  /** The body's schema, `core/v1.Pod`; of a custom resource, its structure. */
  schema: SchemaRef;
  fieldValidation: FieldValidation;
  warnings: string[];
}

/**
 * The object in a body of a media type, its types checked and unknown fields treated as asked.
 * Throws 400 on a body of another object, 415 on another type.
 */
export async function decodeBody<T extends KubeObject>(
  type: string,
  body: Buffer,
  options: DecodeOptions,
): Promise<T> {
  if (type === PROTOBUF_TYPE) {
    if (typeof options.schema !== "string") throw unsupportedMediaType([JSON_TYPE, YAML_TYPE]);
    return decodeProtobufBody<T>(body, { ...options, schema: options.schema });
  }
  let document: Document;
  try {
    document = await parseBody(type, body);
    // Upstream's decoder takes null for an object with nothing in it.
    document.value ??= {};
    checkHead(document.value);
    if (typeof options.schema !== "string") checkWhole(document.value);
  } catch (thrown) {
    if (isReason(thrown, "BadRequest")) throw unrecognized(options.kind, thrown.message, body);
    throw thrown;
  }
  return decodeDocument<T>(document, options);
}

/** Throws 400 for a custom resource without a type: its URL does not give it one, as upstream. */
function checkWhole(value: unknown): void {
  const { kind = "" } = value as Partial<KubeObject>;
  if (kind === "") throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(value)}'`);
}

/** 400 for a body that nothing can be made of, with its beginning. */
function unrecognized({ kind }: GroupVersionKind, why: string, body: Buffer): ApiError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): ${why} (${summary(body)})`,
  );
}

const SUMMARY_BYTES = 30;

function summary(body: Buffer): string {
  if (body.length === 0) return "<empty>";
  const form = body[0] === 0x7b ? "utf8" : "hex";
  const start = body.subarray(0, SUMMARY_BYTES).toString(form);
  return body.length > SUMMARY_BYTES ? `${start} ...` : start;
}

/** The same for a document that was parsed. Throws 400. */
export function decodeDocument<T extends KubeObject>(
  document: Document,
  options: DecodeOptions,
): T {
  try {
    return interpret<T>(document, options);
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    throw badRequest(`${unfit(document.value, options.kind)}: ${thrown.message}`);
  }
}

/** The same for a document that a patch made. Throws DecodeError. */
export function interpret<T extends KubeObject>(document: Document, options: DecodeOptions): T {
  const isCustom = typeof options.schema !== "string";
  checkType(document.value, options.kind, options.otherVersions, isCustom);
  const { object, unknownFields } = decodeJson<T>(options.schema, document.value);
  reportOddities(document, unknownFields, options);
  object.kind = options.kind.kind;
  object.apiVersion = apiVersionOf(options.kind);
  object.metadata ??= {};
  keepReset(object, document.value);
  return object;
}

/** An empty list of owners differs from a missing one: it requests that no field has an owner. */
function keepReset({ metadata }: KubeObject, value: unknown): void {
  const given = (value as { metadata?: { managedFields?: unknown } | null }).metadata;
  if (Array.isArray(given?.managedFields) && given.managedFields.length === 0) {
    metadata.managedFields = [];
  }
}

const HEAD =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; ' +
  'Kind string "json:\\"kind,omitempty\\"" }';

/** Throws 400 when a document has not even a place for its type. */
export function checkHead(value: unknown): void {
  const complain = (what: string, place: string) =>
    badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into ${place}`,
    );
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw complain(jsonTypeOf(value), `Go value of type ${HEAD}`);
  }
  for (const name of ["apiVersion", "kind"] as const) {
    const given = (value as { [name: string]: unknown })[name];
    if (given === undefined || given === null || typeof given === "string") continue;
    throw complain(jsonTypeOf(given), `Go struct field .${name} of type string`);
  }
  const { apiVersion } = value as { apiVersion?: string | null };
  if (apiVersion && parseApiVersion(apiVersion) === undefined) {
    throw badRequest(`unexpected GroupVersion string: ${apiVersion}`);
  }
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** Throws when a body says that it is something else than `kind`: 400, or a DecodeError. */
function checkType(
  value: unknown,
  kind: GroupVersionKind,
  otherVersions: readonly string[] = [],
  isCustom = false,
): void {
  checkHead(value);
  const given = value as { kind?: string | null; apiVersion?: string | null };
  const expected = apiVersionOf(kind);
  if (isCustom) {
    if (given.apiVersion === expected && given.kind === kind.kind) return;
    throw notOfCustom(value, kind);
  }
  const apiVersion = given.apiVersion || expected;
  const name = given.kind || kind.kind;
  if (name === kind.kind && [expected, ...otherVersions].includes(apiVersion)) return;
  const { group, version } = parseApiVersion(apiVersion) ?? { group: apiVersion, version: "" };
  if (!isRegistered(group, version, name) && !isRetired(apiVersion, name)) {
    throw new DecodeError(
      `no kind ${JSON.stringify(name)} is registered for version ` +
        `${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`,
    );
  }
  if (name !== kind.kind) {
    const own = `${kind.group.split(".")[0] || "core"}.${kind.kind}`;
    throw new DecodeError(`converting (${version}.${name}) to (${own}): unknown conversion`);
  }
  throw mismatch(apiVersion, expected);
}

/** The error of a body of another type, where any type of the group's could be a custom one. */
function notOfCustom(value: unknown, { group, version, kind }: GroupVersionKind): ApiError {
  const { apiVersion, kind: given = "", metadata } = value as Partial<KubeObject>;
  const expected = apiVersionOf({ group, version });
  if (apiVersion !== expected) return mismatch(apiVersion ?? "", expected);
  const finding = invalidField("kind", given, `must be ${kind}`);
  return invalid({ group, name: given }, metadata?.name ?? "", [finding]);
}

function mismatch(given: string, expected: string): ApiError {
  return badRequest(
    `the API version in the data (${given}) does not match the expected API version (${expected})`,
  );
}

/** Whether there is a kind of this name, or a list of one. */
function isRegistered(group: string, version: string, name: string): boolean {
  const item = kindOf(group, version, name.replace(/List$/, ""));
  return item?.kind === name || item?.listKind === name;
}

function reportOddities(
  { duplicates }: Document,
  unknown: readonly string[],
  options: DecodeOptions,
): void {
  if (options.fieldValidation === "Ignore") return;
  const strangers = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
  if (duplicates.length + strangers.length === 0) return;
  const inYaml = duplicates[0]?.startsWith("line ");
  if (options.fieldValidation === "Warn") {
    const warnings = inYaml ? [duplicates, strangers] : [strangers, duplicates];
    options.warnings.push(...warnings.flat());
    return;
  }
  const oddities = inYaml
    ? [`yaml: unmarshal errors:\n  ${duplicates.join("\n  ")}`, ...strangers]
    : [...strangers, ...duplicates];
  throw new DecodeError(`strict decoding error: ${oddities.join(", ")}`);
}

function unfit(value: unknown, kind: GroupVersionKind): string {
  const given = value as { kind?: string; apiVersion?: string };
  const version = parseApiVersion(given.apiVersion || apiVersionOf(kind))?.version;
  const name = given.kind || kind.kind;
  return `${name} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}`;
}

/** The object in a protobuf body. Throws 400 on a malformed one or one of another type. */
function decodeProtobufBody<T extends KubeObject>(
  body: Buffer,
  options: DecodeOptions & { schema: string },
): T {
  try {
    const envelope = readEnvelope(body);
    checkType(typeOf(envelope), options.kind, options.otherVersions);
    const object = decodeObject<T>(options.schema, envelope);
    if (isTooDeep(object)) {
      throw new DecodeError(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
    }
    object.metadata ??= {};
    return object;
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw unrecognized(options.kind, thrown.message, body);
    throw thrown;
  }
}

function typeOf(envelope: Envelope): object {
  const { apiVersion, kind } = envelope;
  return { ...(apiVersion === "" ? {} : { apiVersion }), ...(kind === "" ? {} : { kind }) };
}
