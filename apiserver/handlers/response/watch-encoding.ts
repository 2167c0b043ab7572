import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import { zeroStruct } from "@raft2kube/api/codec/json.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import protobuf from "protobufjs/minimal.js";
import { isWebSocket } from "../../authn/websocket-token.ts";
import type { WatchEncoder, WatchItem } from "../../cache/event.ts";
import { encodeProtobuf } from "../../encoding/protobuf.ts";
import { Transformer } from "../../encoding/transform.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import { negotiate } from "../../request/negotiate.ts";
import { framedWatchEncoder } from "./websocket-watch.ts";

/** The form that a watch's client asked for. Throws 406. */
export function watchEncoderFor(
  context: RequestContext,
  kind: Kind,
  now: () => number,
): WatchEncoder {
  const accept = headerOf(context.request, "accept");
  const offer = { protobuf: true, transforms: true };
  const negotiated = context.negotiated ?? negotiate(accept, context.query, offer);
  if (negotiated.type === YAML_TYPE) {
    throw notAcceptable([JSON_TYPE, PROTOBUF_TYPE].map((type) => `${type};stream=watch`));
  }
  const transformer = new Transformer(kind, negotiated.transform, context.query, now);
  const encoder =
    negotiated.type === PROTOBUF_TYPE
      ? protobufWatchEncoder(kind, transformer)
      : jsonWatchEncoder(kind, transformer);
  const framed = context.upgrade !== undefined && isWebSocket(context.request);
  return framed ? framedWatchEncoder(encoder) : encoder;
}

/** Lines of JSON: `{"type":"ADDED","object":{...}}`. */
function jsonWatchEncoder(kind: Kind, transformer: Transformer): WatchEncoder {
  const bookmark = bookmarksOf(kind, transformer);
  const encode = (item: WatchItem): Buffer => {
    if (item.type === "ERROR") return line("ERROR", JSON.stringify(item.status));
    if (item.type === "BOOKMARK") {
      return line("BOOKMARK", JSON.stringify(transformer.lean(bookmark(item))));
    }
    if (transformer.id !== "") {
      const shown = transformer.one(item.entry.object(), item.entry.body.length);
      return line(item.type, JSON.stringify(transformer.lean(shown)));
    }
    return Buffer.concat([LINE_STARTS[item.type], item.entry.body, LINE_END]);
  };
  const opening = (bytes: Buffer) => transformer.opening(bytes);
  return { id: `json ${transformer.id}`, contentType: JSON_TYPE, encode, opening };
}

/** Length-prefixed WatchEvents, the object within in its envelope (upstream's protobuf stream). */
function protobufWatchEncoder(kind: Kind, transformer: Transformer): WatchEncoder {
  const bytesOf = (object: KubeObject): Buffer =>
    transformer.id === "" ? encodeObject(kind.schema, object) : encodeProtobuf(object);
  const bookmark = bookmarksOf(kind, transformer);
  const encode = (item: WatchItem): Buffer => {
    if (item.type === "ERROR") return frame("ERROR", encodeObject("meta/v1.Status", item.status));
    if (item.type === "BOOKMARK") return frame("BOOKMARK", bytesOf(bookmark(item) as KubeObject));
    return frame(item.type, bytesOf(transformer.one(item.entry.object()) as KubeObject));
  };
  return { id: `protobuf ${transformer.id}`, contentType: `${PROTOBUF_TYPE};stream=watch`, encode };
}

const LINE_STARTS = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const LINE_END = Buffer.from("}\n");

function line(type: string, object: string): Buffer {
  return Buffer.from(`{"type":"${type}","object":${object}}\n`);
}

/**
 * meta/v1 WatchEvent: type = 1, object = 2 (RawExtension: raw = 1); four bytes of length in front.
 */
function frame(type: string, raw: Buffer): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(10).string(type).uint32(18).fork().uint32(10).bytes(raw).ldelim();
  const message = writer.finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

type Bookmark = Extract<WatchItem, { type: "BOOKMARK" }>;

/** Bookmarks in the requested encoding; columns are read from Go's zero values. */
function bookmarksOf(kind: Kind, transformer: Transformer): (item: Bookmark) => object {
  if (transformer.id === "") return (item) => bookmarkOf(item, kind);
  const zero = zeroStruct<KubeObject>(kind.schema);
  return (item) => transformer.bookmark({ ...zero, ...bookmarkOf(item, kind) });
}

const bookmarkOf = (item: Bookmark, kind: Kind): KubeObject => ({
  kind: kind.kind,
  apiVersion: apiVersionOf(kind),
  metadata: {
    resourceVersion: String(item.revision),
    ...(item.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
  },
});
