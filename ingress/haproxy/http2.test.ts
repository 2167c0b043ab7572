// Clients of HTTP/2 that read nothing: their part of haproxy's memory.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import {
  HTTP2_CONNECTIONS_OF_ADDRESS_MAX,
  HTTP2_REQUESTS_OF_NAMESPACE_MAX,
  REQUESTS_OF_ADDRESS_MAX,
} from "../limits.ts";
import { backendOf, OwnDataPlane } from "../testing/own-data-plane.ts";

let plane: OwnDataPlane;
const sockets: Socket[] = [];
const isOpen = ({ closed, readableEnded }: Socket) => !closed && !readableEnded;

/** A tenant's server, which takes one request in a connection (RFC 9113), and answers none. */
const server = createServer((socket) => {
  socket.on("error", () => socket.destroy()).resume();
  socket.write(frame(4, 0, 0, [0, 3, 0, 0, 0, 1]));
});

beforeAll(async () => {
  plane = await OwnDataPlane.start();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
  const rule = { kind: "prefix", path: "/x", conditions: [], backend: "grpc" } as const;
  const targets = [{ weight: 1, endpoints: [endpoint], isHttp2: true }];
  const grpc = backendOf("grpc", [], { namespace: "evil", targets });
  await plane.apply([{ host: "", paths: [rule] }], [grpc]);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(async () => {
  await plane.close();
  server.close();
});

function open(localAddress: string, count: number, bytes: Buffer): void {
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: "127.0.0.1", port: plane.port, localAddress });
    socket.on("error", () => socket.destroy()).resume();
    socket.write(bytes);
    sockets.push(socket);
  }
}

/** Waits until no more than these are open. */
const left = (count: number) =>
  waitFor("the others to end", () => sockets.filter(isOpen).length <= count);

const frame = (type: number, flags: number, stream: number, payload: number[]) =>
  Buffer.from([0, 0, payload.length, type, flags, 0, 0, stream >> 8, stream & 255, ...payload]);
/** A client that takes no byte of an answer. */
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(4, 0, 0, [0, 4, 0, 0, 0, 0]),
]);

test("an address has a share of the requests", async () => {
  const gets = Array.from(
    { length: 100 },
    (_, at) => frame(1, 5, 2 * at + 1, [0x82, 0x86, 0x84]), // RFC 7541: GET, http, /
  );
  const count = Math.floor(REQUESTS_OF_ADDRESS_MAX / gets.length);
  open("127.0.0.4", count + 10, Buffer.concat([preface, ...gets]));
  await left(count);
  expect((await plane.get("", "/", { localAddress: "127.0.0.9" })).status).toBe(404);
});

test("an address has a share of the connections", async () => {
  open("127.0.0.5", HTTP2_CONNECTIONS_OF_ADDRESS_MAX + 10, preface);
  const isAnswered = ({ bytesRead, closed }: Socket) => bytesRead > 0 || closed;
  await waitFor("settings or the end", () => sockets.every(isAnswered));
  const taken = sockets.filter(({ bytesRead }) => bytesRead > 0);
  expect(taken).toHaveLength(HTTP2_CONNECTIONS_OF_ADDRESS_MAX);
});

test("a namespace has a share of the requests to servers of HTTP/2", async () => {
  const request = Buffer.from("GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
  // Fewer connections than an address may have where HTTP/2 is spoken.
  const each = HTTP2_CONNECTIONS_OF_ADDRESS_MAX / 2;
  for (let at = 0; at * each <= HTTP2_REQUESTS_OF_NAMESPACE_MAX; at++) {
    open(`127.0.1.${at + 1}`, each, request);
  }
  await left(HTTP2_REQUESTS_OF_NAMESPACE_MAX);
  expect(sockets.filter(isOpen)).toHaveLength(HTTP2_REQUESTS_OF_NAMESPACE_MAX);
});

test("without TLS there are none where no backend speaks HTTP/2", async () => {
  await plane.apply([], []);
  open("127.0.0.6", 1, preface);
  const [answer] = (await once(sockets[0]!, "data")) as [Buffer];
  expect(answer.toString("latin1")).toMatch(/^HTTP\/1/);
});
