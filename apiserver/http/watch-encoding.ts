import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import protobuf from "protobufjs/minimal.js";
import type { WatchItem } from "../cache/event.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import { JSON_TYPE, PROTOBUF_TYPE } from "./negotiate.ts";
import type { Transformer } from "./transform.ts";

/** Turns watch items into the bytes of one stream. */
export interface WatchEncoder {
  readonly contentType: string;
  encode(item: WatchItem): Buffer;
}

/** Lines of JSON: `{"type":"ADDED","object":{...}}`. */
export function jsonWatchEncoder(kind: Kind, transformer: Transformer): WatchEncoder {
  const encode = (item: WatchItem): Buffer => {
    if (item.type === "ERROR") return line("ERROR", JSON.stringify(item.status));
    if (item.type === "BOOKMARK") {
      return line("BOOKMARK", JSON.stringify(transformer.bookmark(bookmarkOf(item, kind))));
    }
    return shared(item, `json ${transformer.id}`, () =>
      transformer.id === ""
        ? Buffer.concat([
            Buffer.from(`{"type":"${item.type}","object":`),
            item.entry.body,
            LINE_END,
          ])
        : line(item.type, JSON.stringify(transformer.one(item.entry.object()))),
    );
  };
  return { contentType: JSON_TYPE, encode };
}

/** Length-prefixed WatchEvents, the object within in its envelope (upstream's protobuf stream). */
export function protobufWatchEncoder(kind: Kind): WatchEncoder {
  const encode = (item: WatchItem): Buffer => {
    if (item.type === "ERROR") {
      return frame("ERROR", encodeObject("meta/v1.Status", item.status));
    }
    if (item.type === "BOOKMARK") {
      return frame("BOOKMARK", encodeObject(kind.schema, bookmarkOf(item, kind)));
    }
    return shared(item, "protobuf", () =>
      frame(item.type, encodeObject(kind.schema, item.entry.object())),
    );
  };
  return { contentType: `${PROTOBUF_TYPE};stream=watch`, encode };
}

type ChangeItem = Extract<WatchItem, { entry: object }>;

/** Bytes made once for all watchers of the same form. */
function shared(item: ChangeItem, form: string, make: () => Buffer): Buffer {
  const key = `${item.type} ${form}`;
  const known = item.shared?.get(key);
  if (known) return known;
  const bytes = make();
  item.shared?.set(key, bytes);
  return bytes;
}

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

function bookmarkOf(item: Extract<WatchItem, { type: "BOOKMARK" }>, kind: Kind): KubeObject {
  return {
    kind: kind.kind,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(item.revision),
      ...(item.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
    },
  };
}
