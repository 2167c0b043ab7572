import { isBuiltIn, type Kind, type KubeObject, type Printed } from "@raft2kube/api/kind.ts";
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import {
  COMPACT_JSON,
  encodeSliced,
  encodeWithin,
  joinSliced,
  PRETTY_JSON,
  type SlicedForm,
  yamlForm,
} from "@raft2kube/apimachinery/encode/sliced.ts";
import { isReason, type Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { notAcceptableBecause } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { longTurn, nextTurn, Slices } from "@raft2kube/std/slices.ts";
import { encodeProtobuf, encodeProtobufList, type ListOfItems } from "../../encoding/protobuf.ts";
import { itemsOf, listMetadata, Transformer } from "../../encoding/transform.ts";
import {
  ANSWER_SMALL_BYTES,
  BODY_BYTES_MAX,
  INDENTED_FACTOR,
  QUICKLY_PARSED_BYTES,
} from "../../limits.ts";
import type { Answer, BytesAnswer, ObjectList } from "../../request/answer.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { type Negotiated, negotiate } from "../../request/negotiate.ts";
import { budgetFor, type EncodedAnswer, send, sendBytes } from "./send.ts";
import { streamWatch } from "./stream-watch.ts";

/** Writes the answer of a verb, in the encoding that the client asked for. */
export async function respond(
  context: RequestContext,
  answer: Answer,
  now: () => number,
): Promise<void> {
  switch (answer.type) {
    case "taken":
      return;
    case "bytes":
      return await sendBytes(context, answer);
    case "watch":
      return await streamWatch(context, answer);
    case "list": {
      const bytes = lengthOf(answer.list);
      const give = await budgetFor(context, bytes);
      if (give === undefined) return;
      try {
        return await send(context, await encodedList(context, answer, now));
      } finally {
        give();
      }
    }
    case "object":
      return await sendBytes(context, await encodeWhole(context, answer, now));
  }
}

/** The bytes of an object as the client asked for it. Throws 406. */
export async function encodeWhole(
  context: RequestContext,
  answer: Extract<Answer, { type: "object" }>,
  now: () => number,
): Promise<BytesAnswer> {
  const negotiated = negotiateFor(context, answer.kind);
  const body = await encodeAnswer(context, answer, negotiated, now);
  return { type: "bytes", code: answer.code, contentType: negotiated.type, body };
}

/** The same of a list. */
export async function encodeWholeList(
  context: RequestContext,
  answer: Extract<Answer, { type: "list" }>,
  now: () => number,
): Promise<BytesAnswer> {
  const encoded = await encodedList(context, answer, now);
  const { body } = encoded;
  const whole = Array.isArray(body)
    ? await joinSliced(body, `list ${answer.list.kind.plural}: join`)
    : body;
  return { ...encoded, type: "bytes", body: whole as Buffer | string };
}

async function encodedList(
  context: RequestContext,
  { list }: Extract<Answer, { type: "list" }>,
  now: () => number,
): Promise<EncodedAnswer> {
  const negotiated = negotiateFor(context, list.kind);
  const transformed = transformer(context, list.kind, negotiated, now);
  await turnFor(context, list, negotiated);
  const body = await encodeList(list, negotiated, transformed, slicesOf(context));
  return { code: 200, contentType: negotiated.type, body };
}

/** Waits for the turn in which a list's encoding starts: many large ones take as many turns. */
async function turnFor(
  context: RequestContext,
  list: ObjectList,
  negotiated: Negotiated,
): Promise<void> {
  const isLong = ({ length }: Buffer) => length > QUICKLY_PARSED_BYTES;
  if (!isAsStored(negotiated) && list.items.some(isLong)) await longTurn(ownerNameOf(context));
  else if (lengthOf(list) > ANSWER_SMALL_BYTES) await nextTurn();
}

const ownerNameOf = ({ owner }: RequestContext): string => owner?.name ?? "";

/** Go's encoder ends each document with one, and kubectl prints raw answers as they are. */
const NEWLINE = Buffer.from("\n");

/**
 * Bytes of a list as JSON, as which it counts; in other forms it is less, or not much more: a line
 * of 200 levels is indented by 400 spaces, so that what would be longer is not indented. JSON is
 * YAML too.
 */
const lengthOf = (list: ObjectList): number =>
  list.items.reduce((sum, item) => sum + item.length, 0);

async function encodeAnswer(
  context: RequestContext,
  { object, kind, body }: Extract<Answer, { type: "object" }>,
  negotiated: Negotiated,
  now: () => number,
): Promise<Buffer | string> {
  if (body && isAsStored(negotiated)) return Buffer.concat([body, NEWLINE]);
  const slices = slicesOf(context);
  if (kind === undefined || negotiated.transform.as === "object") {
    return await encodeObject(object, negotiated, slices);
  }
  // A column may take 5 ms of an object of 20 KB, and 64 requests for one come in a turn.
  await longTurn(ownerNameOf(context));
  const other = transformer(context, kind, negotiated, now).one(object, body?.length);
  return await encodeObject(other as KubeObject, negotiated, slices);
}

/** Whether the answer is JSON as it is stored, of which nothing is parsed. */
const isAsStored = ({ transform, type, pretty }: Negotiated): boolean =>
  transform.as === "object" && type === JSON_TYPE && !pretty;

/** Slices in which an answer is encoded, until its request is over; throws the reason then. */
function slicesOf(context: RequestContext): Pick<Slices, "due" | "pause"> {
  const { signal } = context;
  const slices = new Slices(systemClock(), ownerNameOf(context));
  return {
    get due() {
      return slices.due;
    },
    async pause() {
      await slices.pause();
      signal.throwIfAborted();
    },
  };
}

function negotiateFor(context: RequestContext, kind: Printed | undefined): Negotiated {
  const accept = headerOf(context.request, "accept");
  const offer = { protobuf: true, transforms: true };
  const negotiated = context.negotiated ?? negotiate(accept, context.query, offer);
  if (kind !== undefined) checkForm(negotiated.transform, kind, context.info.verb);
  return negotiated;
}

/** Throws 406 when a list was asked for as one object's metadata, or the other way round. */
function checkForm(
  transform: Negotiated["transform"],
  { group, kind, listKind }: Printed,
  verb: string,
): void {
  if (transform.as !== "PartialObjectMetadata") return;
  const isList = verb === "list" || verb === "deletecollection";
  if (isList === transform.list) return;
  const asked = `you requested PartialObjectMetadata${transform.list ? "List" : ""}`;
  const type = `${group.split(".")[0] || "core"}.${isList ? listKind : kind}`;
  const found = isList ? `a list (*${type})` : `not a list (*${type})`;
  throw notAcceptableBecause(`${asked}, but the requested object is ${found}`);
}

const transformer = (
  context: RequestContext,
  kind: Printed,
  negotiated: Negotiated,
  now: () => number,
): Transformer => new Transformer(kind, negotiated.transform, context.query, now);

/** A failure as a `Status`, in JSON or the client's YAML or protobuf. */
export async function respondStatus(context: RequestContext, status: Status) {
  const type = typeOfStatus(context);
  const body = await encodeObject(status as unknown as KubeObject, {
    type,
    transform: { as: "object" },
    pretty: false,
  });
  const retry_s = status.details?.retryAfterSeconds;
  if (retry_s !== undefined) context.response.setHeader("retry-after", String(retry_s));
  await sendBytes(context, { code: status.code ?? 500, contentType: type, body });
}

/** Returns the type of an error's Status: JSON if no requested type can represent it. */
function typeOfStatus({ request, query }: RequestContext): Negotiated["type"] {
  try {
    const accept = headerOf(request, "accept");
    return negotiate(accept, query, { protobuf: true, transforms: false }).type;
  } catch (thrown) {
    if (isReason(thrown, "NotAcceptable")) return JSON_TYPE;
    throw thrown;
  }
}

async function encodeObject(
  object: KubeObject,
  negotiated: Negotiated,
  slices?: Pick<Slices, "due" | "pause">,
): Promise<Buffer | string> {
  const { kind = "" } = object;
  if (negotiated.type === PROTOBUF_TYPE) {
    return timed(`encode ${kind}: protobuf`, () => encodeProtobuf(object));
  }
  if (negotiated.type === JSON_TYPE && !negotiated.pretty) return `${JSON.stringify(object)}\n`;
  return await encodeIn(await formOf(negotiated), () => object, BODY_BYTES_MAX, slices);
}

/** Encodes in a form; as JSON without indentation where that would be longer than `length_max`. */
async function encodeIn(
  form: SlicedForm,
  make: () => object,
  length_max: number,
  slices: Pick<Slices, "due" | "pause"> | undefined,
): Promise<Buffer> {
  const isIndented = form !== COMPACT_JSON;
  const found = isIndented ? await encodeWithin(make(), form, length_max, slices) : undefined;
  return found ?? (await encodeSliced(make(), COMPACT_JSON, slices));
}

async function formOf({ type, pretty }: Negotiated): Promise<SlicedForm> {
  if (type === YAML_TYPE) return await yamlForm();
  return pretty ? PRETTY_JSON : COMPACT_JSON;
}

async function encodeList(
  list: ObjectList,
  negotiated: Negotiated,
  transformed: Transformer,
  slices: Pick<Slices, "due" | "pause">,
): Promise<EncodedAnswer["body"]> {
  if (isAsStored(negotiated)) return await partsOf(list);
  const { kind } = list;
  const isWhole = negotiated.transform.as === "object";
  const make = () =>
    isWhole
      ? { ...headOf(list), items: itemsOf(list, isBuiltIn(kind) ? untyped : (item) => item) }
      : transformed.list(list);
  if (negotiated.type === PROTOBUF_TYPE) {
    const schema = isWhole ? kind.schema : "meta/v1.PartialObjectMetadata";
    return await encodeProtobufList(make() as ListOfItems, schema, slices);
  }
  const length_max = INDENTED_FACTOR * lengthOf(list) + ANSWER_SMALL_BYTES;
  return await encodeIn(await formOf(negotiated), make, length_max, slices);
}

/** An item of a list whose own type names it. */
const untyped = ({ kind: _kind, apiVersion: _version, ...rest }: KubeObject): object => rest;

/** All of a list but its items. */
function headOf(list: ObjectList): Omit<ListOfItems, "items"> {
  const { kind } = list;
  // Upstream's lists of custom resources have no type that would leave it out.
  const metadata = { ...(isBuiltIn(kind) ? {} : { continue: "" }), ...listMetadata(list) };
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata };
}

const FIRST = Buffer.from("{");
const NEXT = Buffer.from(",{");
const LIST_END = Buffer.from("]}\n");

/** A list is its bodies side by side: nothing in it is parsed or serialised again, or copied. */
async function partsOf(list: ObjectList): Promise<Buffer[]> {
  const head = JSON.stringify(headOf(list));
  const parts: Buffer[] = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
  const type = Buffer.from(typeMembers(list.kind));
  const slices = new Slices();
  const typed = !isBuiltIn(list.kind);
  for (const [index, item] of list.items.entries()) {
    parts.push(index > 0 ? NEXT : FIRST, typed ? item.subarray(1) : withoutType(item, type));
    if (slices.due) await slices.pause();
  }
  parts.push(LIST_END);
  return parts;
}

/** How bodies of a kind start. */
const typeMembers = (kind: Kind): string =>
  `{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(apiVersionOf(kind))},`;

/** A body after its brace, without its type: in a list the list's own type names it. */
function withoutType(body: Buffer, type: Buffer): Buffer {
  if (body.subarray(0, type.length).equals(type)) return body.subarray(type.length);
  // Stored in another version, or by upstream: its members stand in another order.
  const { kind: _kind, apiVersion: _version, ...rest } = parseExact(body.toString()) as KubeObject;
  return Buffer.from(JSON.stringify(rest).slice(1));
}
