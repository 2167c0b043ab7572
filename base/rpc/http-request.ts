import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
} from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import type { RequestHead } from "@raft2kube/h2/request-head.ts";
import type { Http2Stream, StreamListener } from "@raft2kube/h2/stream.ts";

/** Fields of an HTTP/1.1 answer that speak of its connection (RFC 9113, section 8.2.2). */
const HOP_FIELDS = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/;

/** Answers a request over HTTP/2 by handing it to a server of HTTP/1.1, in memory. */
export type HttpHandOver = (stream: Http2Stream, head: RequestHead) => StreamListener;

/** Hands requests that are not gRPC to the listener that serves HTTP/1.1 on the same address. */
export function handOverTo(listener: RequestListener): HttpHandOver {
  const server = createServer(listener);
  return (stream, head) => {
    const [near, far] = duplexPair();
    // Neither end sees by itself that the other was destroyed: the listener learns it here.
    near.once("close", () => far.destroy());
    server.emit("connection", far);
    return relay(stream, head, near);
  };
}

/** Refuses a request that is not gRPC as gRPC-Go does, where there is no HTTP listener. */
export const refuseHttp: HttpHandOver = (stream, { method }) => {
  const status = method === "POST" ? "415" : "405";
  stream.fields([[":status", status]], { end: true });
  return NOBODY;
};

function relay(stream: Http2Stream, head: RequestHead, socket: Duplex): StreamListener {
  const { method, path } = head;
  let answered = false;
  const failed = () => {
    if (answered) return stream.reset("INTERNAL_ERROR");
    stream.fields([[":status", "400"]], { end: true });
  };
  try {
    const headers = headersOf(head);
    const request = httpRequest({ createConnection: () => socket, method, path, headers });
    request.on("error", failed);
    request.on("response", (response) => {
      answered = true;
      answer(stream, response);
    });
    return {
      onData(bytes) {
        request.write(bytes, () => stream.consumed(bytes.length));
      },
      onEnd: () => void request.end(),
      onAborted: () => void request.destroy(),
    };
  } catch (thrown) {
    // Node refuses paths and values that HTTP/1.1 cannot carry.
    if (!(thrown instanceof TypeError)) throw thrown;
    failed();
    return NOBODY;
  }
}

const NOBODY: StreamListener = { onData() {}, onEnd() {}, onAborted() {} };

function headersOf({ fields, authority }: RequestHead): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of fields) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  if (authority !== "") headers["host"] = authority;
  return headers;
}

function answer(stream: Http2Stream, response: IncomingMessage): void {
  const fields: HeaderField[] = [[":status", String(response.statusCode)]];
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = response.rawHeaders[i]!.toLowerCase();
    if (!HOP_FIELDS.test(name)) fields.push([name, response.rawHeaders[i + 1]!]);
  }
  stream.fields(fields);
  response.on("data", (chunk: Buffer) => {
    stream.data(chunk);
    if (stream.backlog === 0) return;
    response.pause();
    stream.onDrain(() => response.resume());
  });
  response.on("end", () => stream.data(Buffer.alloc(0), true));
  response.on("error", () => stream.reset("INTERNAL_ERROR"));
}
