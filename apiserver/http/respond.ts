import { promisify } from "node:util";
import { constants, gzip as gzipCallback } from "node:zlib";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { held } from "@raft2kube/observe/held.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import type { Status } from "../errors/api-error.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import { GZIP_BYTES_MIN } from "../limits.ts";
import type { Answer, BytesAnswer, ObjectList } from "./answer.ts";
import { headerOf, type RequestContext } from "./context.ts";
import { JSON_TYPE, type Negotiated, negotiate, PROTOBUF_TYPE, YAML_TYPE } from "./negotiate.ts";
import { encodeProtobuf, encodeProtobufList } from "./protobuf.ts";
import { streamWatch } from "./stream-watch.ts";
import { listMetadata, Transformer } from "./transform.ts";

const gzip = promisify(gzipCallback);

/** Writes the answer of a verb, in the encoding that the client asked for. */
export async function respond(context: RequestContext, answer: Answer, now: () => number) {
  switch (answer.type) {
    case "taken":
      return;
    case "bytes":
      return await sendBytes(context, answer);
    case "watch":
      return await streamWatch(context, answer);
    case "list": {
      const { kind } = answer.list;
      const negotiated = negotiateFor(context, kind);
      const body = await encodeList(
        answer.list,
        negotiated,
        transformer(context, kind, negotiated, now),
      );
      return await sendBytes(context, { code: 200, contentType: negotiated.type, body });
    }
    case "object": {
      const negotiated = negotiateFor(context, answer.kind);
      const body = await encodeAnswer(context, answer, negotiated, now);
      const { code } = answer;
      return await sendBytes(context, { code, contentType: negotiated.type, body });
    }
  }
}

async function encodeAnswer(
  context: RequestContext,
  { object, kind, body }: Extract<Answer, { type: "object" }>,
  negotiated: Negotiated,
  now: () => number,
): Promise<Buffer | string> {
  const asIs = negotiated.transform.as === "object";
  if (body && asIs && negotiated.type === JSON_TYPE && !negotiated.pretty) return body;
  if (kind === undefined || asIs) return await encodeObject(object, negotiated);
  const other = transformer(context, kind, negotiated, now).one(object);
  return await encodeObject(other as KubeObject, negotiated);
}

function negotiateFor(context: RequestContext, kind: Kind | undefined): Negotiated {
  const accept = headerOf(context.request, "accept");
  return negotiate(accept, context.query, { protobuf: true, transforms: kind !== undefined });
}

function transformer(
  context: RequestContext,
  kind: Kind,
  negotiated: Negotiated,
  now: () => number,
): Transformer {
  return new Transformer(kind, negotiated.transform, context.query, now);
}

/** A failure as a `Status`, in JSON or the client's YAML or protobuf. */
export async function respondStatus(context: RequestContext, status: Status) {
  const [first = ""] = headerOf(context.request, "accept").split(/[;,]/);
  const type = first === YAML_TYPE || first === PROTOBUF_TYPE ? first : JSON_TYPE;
  const body = await encodeObject(status as unknown as KubeObject, {
    type,
    transform: { as: "object" },
    pretty: false,
  });
  const retry_s = status.details?.retryAfterSeconds;
  if (retry_s !== undefined) context.response.setHeader("retry-after", String(retry_s));
  await sendBytes(context, { code: status.code ?? 500, contentType: type, body });
}

async function encodeObject(object: KubeObject, negotiated: Negotiated): Promise<Buffer | string> {
  const { kind = "" } = object;
  if (negotiated.type === PROTOBUF_TYPE) {
    return held(`encode ${kind}: protobuf`, () => encodeProtobuf(object));
  }
  if (negotiated.type === YAML_TYPE) return await encodeYaml(object);
  if (negotiated.pretty) return `${JSON.stringify(object, null, 2)}\n`;
  return `${JSON.stringify(object)}\n`;
}

async function encodeYaml(object: object): Promise<string> {
  // Loaded when somebody asks for it: hardly anybody does.
  const { yamlText } = await import("./yaml-text.ts");
  return yamlText(object);
}

async function encodeList(
  list: ObjectList,
  negotiated: Negotiated,
  transformed: Transformer,
): Promise<Buffer | string> {
  if (negotiated.transform.as !== "object") {
    const made = await transformed.list(list);
    if (negotiated.type === JSON_TYPE && !negotiated.pretty) return await encodeSliced(made);
    return await encodeObject(made as KubeObject, negotiated);
  }
  if (negotiated.type === PROTOBUF_TYPE) return await encodeProtobufList(list);
  const joined = held(`list ${list.kind.plural}: join`, () => joinList(list));
  if (negotiated.type === JSON_TYPE && !negotiated.pretty) return joined;
  return await encodeObject(JSON.parse(joined.toString("utf8")) as KubeObject, negotiated);
}

/** The JSON of an object with long lists, others running in between. */
async function encodeSliced(object: object): Promise<Buffer> {
  const slices = new Slices();
  const parts: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    parts.push(`${parts.length === 0 ? "{" : ","}${JSON.stringify(name)}:`);
    if (!Array.isArray(value)) parts.push(JSON.stringify(value));
    else {
      parts.push("[");
      for (const [index, item] of value.entries()) {
        parts.push(index === 0 ? "" : ",", JSON.stringify(item));
        if (slices.due) await slices.pause();
      }
      parts.push("]");
    }
  }
  return Buffer.from(`${parts.join("")}}\n`);
}

const COMMA = Buffer.from(",");
const LIST_END = Buffer.from("]}\n");

/** A list is its bodies joined: nothing in it is parsed or serialised again. */
function joinList(list: ObjectList): Buffer {
  const { kind } = list;
  const head = JSON.stringify({
    kind: kind.listKind,
    apiVersion: apiVersionOf(kind),
    metadata: listMetadata(list),
  });
  const parts: Buffer[] = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
  for (const [index, item] of list.items.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(item);
  }
  parts.push(LIST_END);
  return Buffer.concat(parts);
}

/** Headers, compression and the body, whole; a HEAD gets the headers alone. */
async function sendBytes(context: RequestContext, answer: Omit<BytesAnswer, "type">) {
  const { request, response, warnings, signal } = context;
  const { code, contentType, body, encoding } = answer;
  let bytes = typeof body === "string" ? Buffer.from(body) : body;
  const headers: Record<string, string | string[]> = {
    "content-type": contentType,
    "cache-control": "no-cache, private",
    "audit-id": context.id,
    ...answer.headers,
  };
  if (warnings.length > 0) headers["warning"] = [...new Set(warnings)].map(warningHeader);
  if (encoding) headers["content-encoding"] = encoding;
  else if (bytes.length >= GZIP_BYTES_MIN && acceptsGzip(context)) {
    bytes = await gzip(bytes, { level: constants.Z_BEST_SPEED });
    headers["content-encoding"] = "gzip";
    headers["vary"] = "accept-encoding";
  }
  headers["content-length"] = String(bytes.length);
  if (signal.aborted) return;
  response.writeHead(code, headers);
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (request.method === "HEAD") response.end(() => resolve());
    else held(`send: ${context.info.verb}`, () => response.end(bytes, () => resolve()));
  });
}

/** Whether compressed bytes may be sent. */
export function acceptsGzip(context: RequestContext): boolean {
  return headerOf(context.request, "accept-encoding").includes("gzip");
}

/** RFC 7234 5.5 with code 299, as upstream writes it. */
function warningHeader(text: string): string {
  const safe = text
    .replace(/[\r\n]+/g, " ")
    .replace(/[\\"]/g, "\\$&")
    .replace(/[^\x20-\x7e]/g, "?");
  return `299 - "${safe}"`;
}
