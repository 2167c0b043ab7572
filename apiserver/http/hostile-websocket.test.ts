import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, it, test } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";

const WATCH = "/api/v1/namespaces/default/configmaps?watch=1";

let api: TestApiserver;
let admin: { cert: string; key: string };
/** Errors that would have ended the process. */
const fatal: unknown[] = [];
const note = (thrown: unknown) => void fatal.push(thrown);

beforeAll(async () => {
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  api = await startApiserverOnEtcd();
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(async () => {
  await api.close();
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
});
afterEach(async () => {
  expect((await ask(api, "/livez")).body).toBe("ok");
  expect(fatal.splice(0)).toEqual([]);
});

type Client = { socket: TLSSocket; tcp: Socket };

/** Asks for a watch over WebSocket; `early` goes with the request. */
async function watch(early = Buffer.alloc(0)): Promise<Client> {
  const tcp = connectTcp(api.apiserver.address.port, "127.0.0.1");
  tcp.on("error", () => tcp.destroy());
  const identity = { host: "127.0.0.1", ca: api.ca.cert, ...admin };
  const socket = connect({ socket: tcp, ...identity, ALPNProtocols: ["http/1.1"] });
  socket.on("error", () => socket.destroy());
  const head =
    `GET ${WATCH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nOrigin: null\r\n` +
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  socket.write(Buffer.concat([Buffer.from(head), early]));
  if (early.length === 0) {
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 101 /);
  }
  socket.resume();
  return { socket, tcp };
}

const over = ({ socket }: Client) =>
  new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once("close", resolve)));

/** How a client goes: it says so, only its connection does, or not even that. */
const WAYS: readonly ((client: Client) => void)[] = [
  ({ socket }) => socket.end(),
  ({ tcp }) => tcp.destroy(),
  ({ tcp }) => tcp.resetAndDestroy(),
];

const FRAMES: Readonly<Record<string, number[]>> = {
  "a frame without a mask": [0x82, 1, 0x61],
  "reserved bits": [0xf2, 0x81, 0, 0, 0, 0, 0x61],
  "an unknown opcode": [0x83, 0x80, 0, 0, 0, 0],
  "a fragmented ping": [0x09, 0x80, 0, 0, 0, 0],
  "a continuation of nothing": [0x80, 0x80, 0, 0, 0, 0],
  "text that is no UTF-8": [0x81, 0x81, 0, 0, 0, 0, 0xff],
  "a length of 64 bits": [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
  "a close with an invalid code": [0x88, 0x82, 0, 0, 0, 0, 0, 1],
};

test.each(Object.entries(FRAMES))("a watch whose client sends %s ends alone", async (_, bytes) => {
  const frame = Buffer.from(bytes);
  const after = await watch();
  after.socket.write(frame);
  await over(after);
  // Together with the request, when no one reads the answer, and cut off in the middle.
  await over(await watch(frame));
  for (const leave of WAYS) {
    const client = await watch();
    client.socket.write(frame.subarray(0, 1));
    leave(client);
    await over(client);
  }
});

it("a watch's client may go at any moment", async () => {
  for (const leave of WAYS) {
    const client = await watch();
    leave(client);
    await over(client);
  }
});
