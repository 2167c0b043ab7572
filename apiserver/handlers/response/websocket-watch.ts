import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { PROTOBUF_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import { upgradeToFrames } from "@raft2kube/streaming/websocket.ts";
import { protocolsWithoutToken } from "../../authn/websocket-token.ts";
import type { WatchEncoder } from "../../cache/event.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import type { WatchSink } from "./watch-sink.ts";

const TEXT = 0x81;
const BINARY = 0x82;
/** The length that stands in front of each message in upstream's protobuf stream over HTTP. */
const LENGTH_BYTES = 4;

/**
 * The same events as messages of a WebSocket (RFC 6455, 5.2): JSON as texts, protobuf as binary
 * ones, which need no length of their own. A server's frames are the same for all clients, so that
 * watchers share them as they share lines.
 */
export function framedWatchEncoder(encoder: WatchEncoder): WatchEncoder {
  const binary = encoder.contentType.startsWith(PROTOBUF_TYPE);
  const { opening } = encoder;
  return {
    ...(opening === undefined ? {} : { opening: (bytes: Buffer) => reframed(bytes, opening) }),
    id: `websocket ${encoder.id}`,
    contentType: encoder.contentType,
    encode: (item) => {
      const bytes = encoder.encode(item);
      return binary ? frame(BINARY, bytes.subarray(LENGTH_BYTES)) : frame(TEXT, bytes);
    },
  };
}

/** The first of several frames with another payload. */
function reframed(bytes: Buffer, change: (payload: Buffer) => Buffer): Buffer {
  const short = bytes[1]!;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  const length =
    start === 2 ? short : start === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const payload = bytes.subarray(start, start + length);
  return Buffer.concat([frame(bytes[0]!, change(payload)), bytes.subarray(start + length)]);
}

/** One message in one frame, unmasked. */
function frame(kind: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = kind;
  if (head.length === 2) head[1] = length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/**
 * Takes the client's connection over to WebSocket. Undefined when it is refused, as upstream
 * refuses: 400 for another version than 13, no key, or several protocols to choose from, of which
 * none is known; 403 for a client that does not say of which page it is.
 */
export async function openWebSocketSink(context: RequestContext): Promise<WatchSink | undefined> {
  const { socket, head } = context.upgrade!;
  const request = context.request as IncomingMessage;
  // The response would frame the bytes that follow, so it is detached from the connection.
  context.response.detachSocket(socket as Socket);
  const refuse = (code: number, why: string, headers = "") => {
    refuseUpgrade(socket, code, why, headers);
    return undefined;
  };
  if (headerOf(request, "sec-websocket-version") !== "13") {
    return refuse(400, "missing or bad WebSocket Version", "Sec-WebSocket-Version: 13\r\n");
  }
  const origin = headerOf(request, "origin");
  if (origin !== "null" && !URL.canParse(origin)) return refuse(403, "null origin");
  const protocols = protocolsWithoutToken(request);
  if (protocols.length > 1) return refuse(400, "more than one protocol");
  const upgraded = await upgradeToFrames(request, socket, head, protocols[0]);
  if (upgraded === undefined) return undefined;
  const { webSocket, connection } = upgraded;
  return {
    write: (bytes) => connection.write(bytes),
    end: () => {
      webSocket.close(1000);
      connection.end();
    },
    onDrain: (resume) => connection.on("drain", resume),
    offDrain: (resume) => connection.off("drain", resume),
  };
}
