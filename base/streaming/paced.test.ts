import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../testing/turns.ts";
import { acceptRemoteCommand } from "./accept-remote-command.ts";
import { streamTurns } from "./paced.ts";
import { SpdyConnection } from "./spdy/connection.ts";
import { dataHeader } from "./spdy/frames.ts";

const CONNECTIONS = 32;
/** A read of a connection gets about as much. */
const FLOOD_BYTES = 60 << 10;

let server: Server;
let sockets: Duplex[];
beforeEach(async () => {
  sockets = [];
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const socket of sockets) socket.destroy();
  server.close();
});

/**
 * Serves a command, whose input is read; `onInput` is called with what comes. `early` comes with
 * the request.
 */
async function open(
  headers: Record<string, string>,
  onInput: () => void,
  early = Buffer.alloc(0),
): Promise<Socket> {
  const asked = once(server, "upgrade") as Promise<[IncomingMessage, Socket, Buffer]>;
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const lines = Object.entries({ Host: "x", Connection: "Upgrade", ...headers });
  const asks = `GET /exec HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`;
  client.write(Buffer.concat([Buffer.from(asks), early]));
  const [request, ours, head] = await asked;
  sockets.push(client, ours);
  const streams = { stdin: true, stdout: true, stderr: false, tty: false };
  const remote = acceptRemoteCommand(request, ours, head, { streams, clock: systemClock() });
  void remote.then((command) => command?.stdin?.on("data", onInput));
  await once(client, "data");
  return client;
}

const WEB_SOCKET = {
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
};
const EMPTY = Buffer.of(0x82, 0x80, 0, 0, 0, 0);
const INPUT = Buffer.of(0x82, 0x82, 0, 0, 0, 0, 0, 1);

async function overWebSocket(onInput: () => void): Promise<() => void> {
  const client = await open(WEB_SOCKET, onInput);
  return () => client.write(Buffer.concat([flood(EMPTY), INPUT]));
}

async function overSpdy(onInput: () => void): Promise<() => void> {
  const headers = { Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" };
  const client = await open(headers, onInput);
  const connection = new SpdyConnection(client, { role: "client", onStream: () => undefined });
  for (const streamtype of ["error", "stdin", "stdout"]) await connection.open({ streamtype });
  const input = Buffer.concat([dataHeader(3, 1, false), Buffer.of(1)]);
  return () => client.write(Buffer.concat([flood(dataHeader(3, 0, false)), input]));
}

const flood = (frame: Buffer) =>
  Buffer.concat(Array.from({ length: Math.floor(FLOOD_BYTES / frame.length) }, () => frame));

test.each([
  ["WebSocket", overWebSocket],
  ["SPDY", overSpdy],
])("over %s, tiny frames of many clients are not read in one turn", async (_, connectOver) => {
  using turn = new CountedTurns();
  const turns: number[] = [];
  const floods: (() => void)[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    floods.push(await connectOver(() => turns.push(turn.now)));
  }
  for (const send of floods) send();
  await expect.poll(() => turns.length, { timeout: 60_000 }).toBe(CONNECTIONS);
  expect(mostInOneTurn(turns)).toBeLessThan(CONNECTIONS);
});

test("while streams flood, a request of 20 turns is answered within a tick of the store", () => {
  expect(20 * streamTurns.turn_ms).toBeLessThanOrEqual(100);
});

test("frames that come with the request of a WebSocket wait for their turn", async () => {
  const receive = vi.spyOn(InputTurns.prototype, "receive");
  await new Promise<void>((taken) => void open(WEB_SOCKET, taken, INPUT));
  expect(receive).toHaveBeenCalledOnce();
});
