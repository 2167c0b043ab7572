import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { GroupVersionKind, KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest, unsupportedMediaType } from "../errors/catalog.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import type { FieldValidation } from "../registry/write-options.ts";
import { headerOf, type Incoming } from "./context.ts";
import { parseJson } from "./json-document.ts";
import { parseMediaType } from "./media.ts";
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "./negotiate.ts";
import { decodeProtobufBody } from "./protobuf.ts";

const ACCEPTED = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];

/** A value parsed out of a body, and what was odd about it: keys that stand twice. */
export interface Document {
  value: unknown;
  duplicates: string[];
}

/** Parses a body by its content type. Throws 400 on malformed text, 415 on another type. */
export async function parseBody(type: string, body: Buffer): Promise<Document> {
  if (type === "" || type === JSON_TYPE || type === "*/*") return parseJson(body);
  if (type === YAML_TYPE || type === "application/x-yaml" || type === "text/yaml") {
    const { parseYaml } = await import("./yaml-document.ts");
    return parseYaml(body);
  }
  throw unsupportedMediaType(ACCEPTED);
}

export interface DecodeOptions {
  /** What the URL says the body is, for bodies that do not say. */
  kind: GroupVersionKind;
  /** Older API versions of the same body that are taken as well. */
  otherVersions?: readonly string[];
  /** Name of the body's schema, `core/v1.Pod`. */
  schema: string;
  fieldValidation: FieldValidation;
  warnings: string[];
}

/** The object in a request's body, its types checked and unknown fields treated as asked. */
export async function decodeBody<T extends KubeObject>(
  request: Incoming,
  body: Buffer,
  options: DecodeOptions,
): Promise<T> {
  const { type } = parseMediaType(headerOf(request, "content-type"));
  if (type === PROTOBUF_TYPE) return decodeProtobufBody<T>(body, options);
  return decodeDocument<T>(await parseBody(type, body), options);
}

/** The same for a document that was parsed, or made by a patch. */
export function decodeDocument<T extends KubeObject>(
  document: Document,
  options: DecodeOptions,
): T {
  checkType(document.value, options.kind, options.otherVersions);
  try {
    const { object, unknownFields } = decodeJson<T>(options.schema, document.value);
    reportOddities(document.duplicates, unknownFields, options);
    object.kind = options.kind.kind;
    object.apiVersion = apiVersionOf(options.kind);
    object.metadata ??= {};
    return object;
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    throw badRequest(`${unfit(options.kind)}: ${thrown.message}`);
  }
}

/** Throws 400 when a body says that it is something else than `kind`. */
export function checkType(
  value: unknown,
  kind: GroupVersionKind,
  otherVersions: readonly string[] = [],
): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(
      "couldn't get version/kind; json parse error: json: cannot unmarshal " +
        `${Array.isArray(value) ? "array" : typeof value} into Go value of type struct ` +
        '{ APIVersion string "json:\\"apiVersion,omitempty\\""; ' +
        'Kind string "json:\\"kind,omitempty\\"" }',
    );
  }
  const given = value as { kind?: unknown; apiVersion?: unknown };
  const apiVersion = given.apiVersion ?? apiVersionOf(kind);
  const name = given.kind ?? kind.kind;
  const versions = [apiVersionOf(kind), ...otherVersions];
  if (versions.includes(String(apiVersion)) && name === kind.kind) return;
  const asked = `${apiVersionOf(kind)}, Kind=${kind.kind}`;
  if (name === kind.kind) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match ` +
        `the expected API version (${apiVersionOf(kind)})`,
    );
  }
  throw badRequest(
    `no kind ${JSON.stringify(name)} is registered for version ` +
      `${JSON.stringify(apiVersion)} at this path: expected ${asked}`,
  );
}

function reportOddities(
  duplicates: readonly string[],
  unknown: readonly string[],
  options: DecodeOptions,
): void {
  if (options.fieldValidation === "Ignore") return;
  const oddities = [
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
  if (oddities.length === 0) return;
  if (options.fieldValidation === "Warn") {
    options.warnings.push(...oddities);
    return;
  }
  throw badRequest(`${unfit(options.kind)}: strict decoding error: ${oddities.join(", ")}`);
}

function unfit({ kind, version }: GroupVersionKind): string {
  return `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}`;
}
