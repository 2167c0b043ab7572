import { once } from "node:events";
import http2 from "node:http2";
import { connect, type TLSSocket } from "node:tls";
import { FLAG, FRAME, PREFACE } from "@raft2kube/h2/frame.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { rawFrame } from "../../testing/raw-client.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  HEADER_BYTES_MAX,
  HTTP2_RESETS_MAX,
  PIECES_OF_REQUEST,
  REQUESTS_OF_READ_MAX,
} from "../limits.ts";

const patience = { clock: systemClock(), timeout_ms: 60_000 };

let api: TestApiserver;
let nobody: KeyPair;

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  nobody = await api.credentials("nobody");
});
afterAll(() => api.close());
afterEach(async () => {
  // Requests of others are still served.
  expect((await ask(api, "/livez")).body).toBe("ok");
});

function open(protocol: string): { socket: TLSSocket; text: () => string; ended: () => boolean } {
  const { port } = api.apiserver.address;
  const socket = connect({
    host: "127.0.0.1",
    port,
    ca: api.ca.cert,
    ...nobody,
    ALPNProtocols: [protocol],
  });
  let text = "";
  let ended = false;
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("close", () => (ended = true));
  socket.on("error", () => undefined);
  return { socket, text: () => text, ended: () => ended };
}

it("a flood of headers is not answered, and ends its connection", async () => {
  const { socket, text, ended } = open("http/1.1");
  socket.write("GET /version HTTP/1.1\r\nHost: x\r\n");
  const header = `X-Flood: ${"x".repeat(1000)}\r\n`;
  for (let sent = 0; sent <= 2 * HEADER_BYTES_MAX; sent += header.length) socket.write(header);
  socket.write("\r\n");
  await waitFor("the end", ended, patience);
  // A client that continues to send may lose the 431.
  expect(text()).not.toContain("200 OK");
});

const START = Buffer.concat([PREFACE, rawFrame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))]);
/** GET https://x/, by HPACK's static table. */
const REQUEST = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x78]);
const POST = Buffer.from([0x83, 0x87, 0x84, 0x41, 0x01, 0x78]);
const WHOLE = FLAG.END_HEADERS | FLAG.END_STREAM;
const CANCEL = Buffer.from([0, 0, 0, 8]);

it("streams that are opened and reset at once end their connection (CVE-2023-44487)", async () => {
  const { socket, ended } = open("h2");
  socket.write(START);
  for (let n = 0; n < 2 * HTTP2_RESETS_MAX; n++) {
    const stream = 2 * n + 1;
    socket.write(
      Buffer.concat([
        rawFrame(FRAME.HEADERS, WHOLE, stream, REQUEST),
        rawFrame(FRAME.RST_STREAM, 0, stream, CANCEL),
      ]),
    );
  }
  await waitFor("the server to end the connection", ended, patience);
});

/** A larger window of the connection, which carries nothing. */
const WINDOW = rawFrame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1]));

it("frames without end that belong to no stream end their connection", async () => {
  const { socket, ended } = open("h2");
  socket.write(START);
  const frames = Buffer.concat(Array.from({ length: 1_000 }, () => WINDOW));
  const send = () => {
    if (!ended() && socket.write(frames)) setImmediate(send);
  };
  socket.on("drain", send);
  send();
  await waitFor("the server to end the connection", ended, patience);
});

it("bodies of HTTP/2 requests are counted frame by frame", async () => {
  const came = vi.spyOn(PacedSocket.prototype, "came");
  const { socket } = open("h2");
  socket.write(Buffer.concat([START, rawFrame(FRAME.HEADERS, FLAG.END_HEADERS, 1, POST)]));
  const PIECES = 100;
  for (let n = 0; n < PIECES; n++) socket.write(rawFrame(FRAME.DATA, 0, 1, Buffer.from(" ")));
  const counted = () => came.mock.calls.reduce((sum, [pieces]) => sum + pieces, 0);
  const wanted = PIECES_OF_REQUEST + PIECES;
  await waitFor("the request and frames to be counted", () => counted() >= wanted, patience);
  vi.restoreAllMocks();
});

it.each([
  ["http/1.1", "GET /version HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"],
  ["h2", Buffer.concat([START, rawFrame(FRAME.HEADERS, WHOLE, 1, REQUEST)]), "forbidden"],
])("%s connections are read in turns, those of a user as one", async (protocol, sent, answer) => {
  const receive = vi.spyOn(InputTurns.prototype, "receive");
  const { socket, text } = open(protocol);
  socket.write(sent);
  await waitFor("an answer", () => text().includes(answer), patience);
  expect(receive.mock.calls[0]![2]).toBe("nobody");
  vi.restoreAllMocks();
});

it("all requests of HTTP/2 connections that are read in turns are answered", async () => {
  const { ca, server } = api;
  const sessions = Array.from({ length: 8 }, () => http2.connect(server, { ca: ca.cert }));
  onTestFinished(() => sessions.forEach((session) => session.destroy()));
  await Promise.all(sessions.map((session) => once(session, "connect")));
  const answers = sessions.flatMap((session) =>
    Array.from({ length: 2 * REQUESTS_OF_READ_MAX }, async () => {
      const stream = session.request({ ":path": "/version" });
      const [head] = (await once(stream, "response")) as [{ ":status": number }];
      stream.resume();
      return head[":status"];
    }),
  );
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
});

it("headers continued without end end their connection (CVE-2024-27983)", async () => {
  const { socket, ended } = open("h2");
  socket.write(START);
  // :method GET from the static table, and no END_HEADERS.
  socket.write(rawFrame(FRAME.HEADERS, 0, 1, Buffer.from([0x82])));
  await waitFor(
    "the server to end the connection",
    () => {
      // A literal header of its own, not indexed: `x: y`.
      if (!ended())
        socket.write(
          rawFrame(FRAME.CONTINUATION, 0, 1, Buffer.from([0x00, 0x01, 0x78, 0x01, 0x79])),
        );
      return ended();
    },
    { ...patience, interval_ms: 1 },
  );
});
