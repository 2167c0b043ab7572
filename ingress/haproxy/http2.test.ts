// Clients of HTTP/2 that read nothing: their part of haproxy's memory.
import { connect, type Socket } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { HTTP2_CONNECTIONS_OF_ADDRESS_MAX, REQUESTS_OF_ADDRESS_MAX } from "../limits.ts";
import { backendOf, OwnDataPlane } from "../testing/own-data-plane.ts";

let plane: OwnDataPlane;
const sockets: Socket[] = [];
const isOpen = ({ closed, readableEnded }: Socket) => !closed && !readableEnded;

beforeAll(async () => {
  plane = await OwnDataPlane.start();
  const rule = { kind: "prefix", path: "/x", conditions: [], backend: "grpc" } as const;
  const targets = [{ weight: 1, endpoints: [], isHttp2: true }];
  await plane.apply([{ host: "", paths: [rule] }], [backendOf("grpc", [], { targets })]);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => plane.close());

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
  waitFor("the others to end", () => sockets.filter(isOpen).length <= count, {
    clock: systemClock(),
  });

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
  await left(HTTP2_CONNECTIONS_OF_ADDRESS_MAX);
});

test("without TLS there are none where no backend speaks HTTP/2", async () => {
  await plane.apply([], []);
  open("127.0.0.6", 1, preface);
  await left(0);
});
