/** The OpenAPI documents, put together when first asked for and kept compressed. */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { type BuiltInKind, isBuiltIn, type Kind } from "@raft2kube/api/kind.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { Definitions, type Dialect, type Json } from "./definitions.ts";
import { encodeDocument } from "./gnostic.ts";
import { type Operation, type Parameter, pathsOf, rootOf, tagOf } from "./operations.ts";

/** A document as it is kept and sent. */
export interface Document {
  readonly gzip: Buffer;
  /** Names the contents: for `hash=` in URLs and for ETag. */
  readonly hash: string;
}

/** Media types of answers, of watches among them, and of patches. */
const TYPES = {
  answers: ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"],
  watches: ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"],
  patches: [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
  ],
};
/** Custom resources have neither protobuf nor strategic patches. */
const CUSTOM_TYPES: typeof TYPES = {
  answers: ["application/json", "application/yaml"],
  watches: ["application/json;stream=watch"],
  patches: TYPES.patches.filter((each) => !each.includes("strategic")),
};

/** The things that all operations of a kind share. */
interface Common {
  readonly definitions: Definitions;
  readonly tag: string;
  readonly types: typeof TYPES;
}

const DESCRIPTION = "Kubernetes";
const INFO: Json = { title: DESCRIPTION, version: "v1.36.0" };

/** Work in steps, between which others may run, and its result. */
export type Steps<T> = Generator<void, T>;

export async function make(steps: Steps<Buffer>): Promise<Document> {
  return await kept(await inSlices(steps));
}

/** A document of these bytes. */
export async function kept(plain: Buffer): Promise<Document> {
  const hash = createHash("sha512").update(plain).digest("hex").toUpperCase();
  return { gzip: await promisify(gzip)(plain), hash };
}

/** A document's bytes, uncompressed. */
export const plainOf = ({ gzip }: Document): Buffer => gunzipSync(gzip);

function parameter({ name, in: place, type, description }: Parameter, dialect: Dialect): Json {
  const head = { name, in: place, description, ...(place === "path" ? { required: true } : {}) };
  const typed = { type, uniqueItems: true };
  return dialect === "v2" ? { ...head, ...typed } : { ...head, schema: typed };
}

function bodyOf({ body, method }: Operation, definitions: Definitions): Json | undefined {
  if (body !== undefined) return definitions.reference(body);
  return method === "patch" ? { type: "object" } : undefined;
}

function operationV2(operation: Operation, { definitions, tag, types }: Common): Json {
  const parameters = operation.parameters.map((each) => parameter(each, "v2"));
  const patch = operation.method === "patch";
  const schema = bodyOf(operation, definitions);
  if (schema !== undefined) {
    const required = operation.method === "delete" ? {} : { required: true };
    parameters.push({ name: "body", in: "body", ...required, schema });
  }
  return {
    consumes: patch ? types.patches : ["*/*"],
    description: operation.description,
    operationId: operation.id,
    ...(parameters.length === 0 ? {} : { parameters }),
    produces: answerTypes(operation, types),
    responses: answers(operation, { schema: definitions.reference(operation.answer) }),
    schemes: ["https"],
    tags: [tag],
    ...kindOf(operation),
  };
}

function operationV3(operation: Operation, { definitions, tag, types }: Common): Json {
  const patch = operation.method === "patch";
  const schema = bodyOf(operation, definitions);
  const content = (types: readonly string[], value: Json): Json =>
    Object.fromEntries(types.map((each) => [each, { schema: value }]));
  return {
    description: operation.description,
    operationId: operation.id,
    ...(operation.parameters.length === 0
      ? {}
      : { parameters: operation.parameters.map((each) => parameter(each, "v3")) }),
    ...(schema === undefined
      ? {}
      : { requestBody: { content: content(patch ? types.patches : ["*/*"], schema) } }),
    responses: answers(operation, {
      content: content(answerTypes(operation, types), definitions.reference(operation.answer)),
    }),
    tags: [tag],
    ...kindOf(operation),
  };
}

function answerTypes({ action }: Operation, { answers, watches }: typeof TYPES): string[] {
  return action === "list" ? [...answers, ...watches] : answers;
}

function answers({ method }: Operation, body: Json): Json {
  const ok = { description: "OK", ...body };
  const created = { description: "Created", ...body };
  const accepted = { description: "Accepted", ...body };
  return {
    200: ok,
    ...(method === "post" || method === "put" || method === "patch" ? { 201: created } : {}),
    ...(method === "post" || method === "delete" ? { 202: accepted } : {}),
    401: { description: "Unauthorized" },
  };
}

const kindOf = ({ action, type: { group, kind, version } }: Operation): Json => ({
  "x-kubernetes-action": action,
  "x-kubernetes-group-version-kind": { group, kind, version },
});

export function* paths(kinds: readonly Kind[], definitions: Definitions): Steps<Json> {
  const write = definitions.dialect === "v2" ? operationV2 : operationV3;
  const entries: [string, Json][] = [];
  for (const kind of kinds) {
    const types = isBuiltIn(kind) ? TYPES : CUSTOM_TYPES;
    const common = { definitions, tag: tagOf(kind), types };
    for (const { path, operations, parameters } of pathsOf(kind)) {
      entries.push([
        path,
        {
          ...Object.fromEntries(
            operations.map((operation) => [operation.method, write(operation, common)]),
          ),
          parameters: parameters.map((one) => parameter(one, definitions.dialect)),
        },
      ]);
      yield;
    }
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function* documentV2(kinds: readonly BuiltInKind[]): Steps<Json> {
  const definitions = new Definitions("v2");
  return {
    swagger: "2.0",
    info: INFO,
    paths: yield* paths(kinds, definitions),
    definitions: definitions.all(),
    securityDefinitions: { BearerToken: { type: "apiKey", name: "authorization", in: "header" } },
    security: [{ BearerToken: [] }],
  };
}

export function* documentV3(kinds: readonly Kind[]): Steps<Json> {
  const definitions = new Definitions("v3");
  for (const kind of kinds) {
    if (isBuiltIn(kind)) continue;
    definitions.add(kind);
    yield;
  }
  return {
    openapi: "3.0.0",
    info: INFO,
    paths: yield* paths(kinds, definitions),
    components: {
      schemas: definitions.all(),
      securitySchemes: { BearerToken: { type: "apiKey", name: "authorization", in: "header" } },
    },
  };
}

export function* asJson(steps: Steps<Json>): Steps<Buffer> {
  const json = yield* steps;
  yield;
  return Buffer.from(JSON.stringify(json));
}

const made = new WeakMap<readonly BuiltInKind[], Documents>();

/** The documents that describe these kinds, and no others; one per list of kinds. */
export function documentsOf(kinds: readonly BuiltInKind[]): Documents {
  let documents = made.get(kinds);
  if (documents === undefined) made.set(kinds, (documents = new Documents(kinds)));
  return documents;
}

/** The documents of some kinds. */
export class Documents {
  readonly #kinds: readonly BuiltInKind[];
  readonly #kept = new Map<string, Promise<Document>>();

  constructor(kinds: readonly BuiltInKind[]) {
    this.#kinds = kinds;
  }

  #document(key: string, build: () => Steps<Buffer>): Promise<Document> {
    let known = this.#kept.get(key);
    if (known === undefined) {
      known = make(build());
      this.#kept.set(key, known);
    }
    return known;
  }

  /** The only document of version 2, as JSON. */
  v2(): Promise<Document> {
    return this.#document("v2", () => asJson(documentV2(this.#kinds)));
  }

  /** The same as protobuf, `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
  v2Protobuf(): Promise<Document> {
    const kinds = this.#kinds;
    return this.#document("v2+protobuf", function* () {
      return yield* encodeDocument(yield* documentV2(kinds));
    });
  }

  /** The groups and versions with a document of version 3, as paths: `api/v1`, `apis/apps/v1`. */
  v3Paths(): string[] {
    return [...new Set(this.#kinds.map((each) => rootOf(each).slice(1)))].sort();
  }

  /** The document of one group and version (`apis/apps/v1`); undefined when there is none. */
  v3(path: string): Promise<Document> | undefined {
    const kinds = this.#kinds.filter((each) => rootOf(each).slice(1) === path);
    if (kinds.length === 0) return undefined;
    return this.#document(path, () => asJson(documentV3(kinds)));
  }
}
