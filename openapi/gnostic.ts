/**
 * An OpenAPI v2 document in the protobuf form that kubectl up to 1.26 asks for. Field numbers are
 * those of google/gnostic's OpenAPIv2.proto; only what our documents hold is written.
 */
import { assert } from "@raft2kube/std/assert.ts";
import protobuf from "protobufjs/minimal.js";
import type { Json } from "./definitions.ts";

type Writer = protobuf.Writer;
/** Writes one value under a field number. */
type Put = (writer: Writer, id: number, value: unknown) => void;

const FIXED64 = 1;
const DELIMITED = 2;

const text: Put = (writer, id, value) => {
  writer.uint32((id << 3) | DELIMITED).string(value as string);
};
const flag: Put = (writer, id, value) => {
  if (value === true) writer.uint32(id << 3).bool(true);
};
const double: Put = (writer, id, value) => {
  writer.uint32((id << 3) | FIXED64).double(value as number);
};
const integer: Put = (writer, id, value) => {
  writer.uint32(id << 3).int64(value as number);
};
const texts: Put = (writer, id, value) => {
  for (const each of value as string[]) text(writer, id, each);
};

function inside(writer: Writer, id: number, write: () => void): void {
  writer.uint32((id << 3) | DELIMITED).fork();
  write();
  writer.ldelim();
}

/** A message from a table of its fields; keys `x-...` become vendor extensions. */
const message =
  (fields: Readonly<Record<string, readonly [number, Put]>>, extension?: number): Put =>
  (writer, id, value) =>
    inside(writer, id, () => {
      for (const [key, each] of Object.entries(value as Json)) {
        const field = fields[key];
        if (field !== undefined) field[1](writer, field[0], each);
        else {
          assert(key.startsWith("x-") && extension !== undefined, `no protobuf field for ${key}`);
          namedAny(writer, extension, key, each);
        }
      }
    });

/** Any value as YAML, of which JSON is a part. */
const any: Put = (writer, id, value) =>
  inside(writer, id, () => text(writer, 2, `${JSON.stringify(value)}\n`));

function namedAny(writer: Writer, id: number, name: string, value: unknown): void {
  inside(writer, id, () => {
    text(writer, 1, name);
    any(writer, 2, value);
  });
}

const anys: Put = (writer, id, value) => {
  for (const each of value as unknown[]) any(writer, id, each);
};

/** A map as a message whose entries have names. */
function named(entryId: number, put: Put): Put {
  return (writer, id, value) =>
    inside(writer, id, () => {
      for (const [name, each] of Object.entries(value as Json)) {
        inside(writer, entryId, () => {
          text(writer, 1, name);
          put(writer, 2, each);
        });
      }
    });
}

const schema: Put = (writer, id, value) => SCHEMA(writer, id, value);

const SCHEMA: Put = message(
  {
    $ref: [1, text],
    format: [2, text],
    title: [3, text],
    description: [4, text],
    default: [5, any],
    multipleOf: [6, double],
    maximum: [7, double],
    exclusiveMaximum: [8, flag],
    minimum: [9, double],
    exclusiveMinimum: [10, flag],
    maxLength: [11, integer],
    minLength: [12, integer],
    pattern: [13, text],
    maxItems: [14, integer],
    minItems: [15, integer],
    uniqueItems: [16, flag],
    maxProperties: [17, integer],
    minProperties: [18, integer],
    required: [19, texts],
    enum: [20, anys],
    additionalProperties: [
      21,
      (writer, id, value) =>
        inside(writer, id, () =>
          typeof value === "boolean" ? flag(writer, 2, value) : schema(writer, 1, value),
        ),
    ],
    type: [22, (writer, id, value) => inside(writer, id, () => text(writer, 1, value))],
    items: [23, (writer, id, value) => inside(writer, id, () => schema(writer, 1, value))],
    allOf: [
      24,
      (writer, id, value) => {
        for (const each of value as Json[]) schema(writer, id, each);
      },
    ],
    properties: [25, named(1, schema)],
    externalDocs: [29, (writer, id, value) => EXTERNAL_DOCS(writer, id, value)],
    example: [30, any],
  },
  31,
);

const EXTERNAL_DOCS: Put = message({ description: [1, text], url: [2, text] }, 3);

const BODY_PARAMETER = message({
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schema],
});
const QUERY_PARAMETER = message({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  uniqueItems: [20, flag],
});
const PATH_PARAMETER = message({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  uniqueItems: [19, flag],
});

/** ParametersItem > Parameter > body, or NonBodyParameter > query or path. */
const parameters: Put = (writer, id, value) => {
  for (const each of value as Json[]) {
    inside(writer, id, () =>
      inside(writer, 1, () => {
        if (each.in === "body") BODY_PARAMETER(writer, 1, each);
        else {
          inside(writer, 2, () =>
            each.in === "query"
              ? QUERY_PARAMETER(writer, 3, each)
              : PATH_PARAMETER(writer, 4, each),
          );
        }
      }),
    );
  }
};

const RESPONSE = message({
  description: [1, text],
  schema: [2, (writer, id, value) => inside(writer, id, () => schema(writer, 1, value))],
});
const responses = named(1, (writer, id, value) =>
  inside(writer, id, () => RESPONSE(writer, 1, value)),
);

const OPERATION = message(
  {
    tags: [1, texts],
    description: [3, text],
    operationId: [5, text],
    produces: [6, texts],
    consumes: [7, texts],
    parameters: [8, parameters],
    responses: [9, responses],
    schemes: [10, texts],
  },
  13,
);
const PATH_ITEM = message({
  get: [2, OPERATION],
  put: [3, OPERATION],
  post: [4, OPERATION],
  delete: [5, OPERATION],
  patch: [8, OPERATION],
  parameters: [9, parameters],
});

const API_KEY = message({ type: [1, text], name: [2, text], in: [3, text] });
const STRING_ARRAY: Put = (writer, id, value) => inside(writer, id, () => texts(writer, 1, value));

const DOCUMENT: Readonly<Record<string, readonly [number, Put]>> = {
  swagger: [1, text],
  info: [2, message({ title: [1, text], version: [2, text] })],
  security: [
    12,
    (writer, id, value) => {
      for (const each of value as Json[]) named(1, STRING_ARRAY)(writer, id, each);
    },
  ],
  securityDefinitions: [
    13,
    named(1, (writer, id, value) => inside(writer, id, () => API_KEY(writer, 2, value))),
  ],
};

/** The large maps, by field, their entries' field, and the type of each entry. */
const MAPS: Readonly<Record<string, readonly [number, number, Put]>> = {
  paths: [8, 2, PATH_ITEM],
  definitions: [9, 1, schema],
};

/** The bytes of `openapi.v2.Document`, made in steps: one for each path and each definition. */
export function* encodeDocument(document: Json): Generator<void, Buffer> {
  const parts: Uint8Array[] = [];
  for (const [key, value] of Object.entries(document)) {
    const map = MAPS[key];
    if (map !== undefined) parts.push(yield* encodeMap(...map, value as Json));
    else {
      const field = DOCUMENT[key];
      assert(field !== undefined, `no protobuf field for ${key}`);
      parts.push(bytesOf((writer) => field[1](writer, field[0], value)));
    }
  }
  return Buffer.concat(parts);
}

function* encodeMap(id: number, entryId: number, put: Put, map: Json): Generator<void, Buffer> {
  const entries: Uint8Array[] = [];
  for (const [name, each] of Object.entries(map)) {
    entries.push(
      bytesOf((writer) =>
        inside(writer, entryId, () => {
          text(writer, 1, name);
          put(writer, 2, each);
        }),
      ),
    );
    yield;
  }
  const length = entries.reduce((sum, bytes) => sum + bytes.length, 0);
  const head = bytesOf((writer) => writer.uint32((id << 3) | DELIMITED).uint32(length));
  return Buffer.concat([head, ...entries]);
}

function bytesOf(write: (writer: Writer) => void): Uint8Array {
  const writer = protobuf.Writer.create();
  write(writer);
  return writer.finish();
}
