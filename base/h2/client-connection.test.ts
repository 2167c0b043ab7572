import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { rawFrame } from "../../testing/raw-client.ts";
import { waitFor } from "../../testing/wait.ts";
import { Http2ClientConnection } from "./client-connection.ts";
import { FLAG, FRAME } from "./frame.ts";
import { IDLE_FRAMES_MAX, SETTINGS_TIMEOUT_MS, SILENCE_LOOK_MS } from "./limits.ts";
import { Http2ServerConnection } from "./server-connection.ts";

/** A connection that leaves silent servers, and the server's end of it. */
async function connected() {
  const clock = new ManualClock();
  const server = createServer();
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const socket = connect(await listening(server), "127.0.0.1");
  const [peer] = await accepted;
  onTestFinished(() => {
    for (const end of [socket, peer]) end.destroy();
    server.close();
  });
  new Http2ServerConnection(peer, {
    clock: systemClock({ unref: true }),
    streams_max: 1,
    interpret: () => "a request",
    onRequest(stream) {
      stream.fields([[":status", "200"]]);
      return { onData() {}, onEnd() {}, onAborted() {} };
    },
    onClose: () => {},
  });
  const ready = Promise.withResolvers<void>();
  const connection = new Http2ClientConnection(socket, {
    clock,
    leavesSilent: true,
    onReady: ready.resolve,
    onFreeStream: () => {},
    onLeaving: () => {},
    onClose: () => {},
  });
  await ready.promise;
  /** Looks; resolves once the server has answered, if it was asked. */
  const look = async (answer: "answered" | "silent" = "silent") => {
    const before = socket.bytesRead;
    clock.advance(SILENCE_LOOK_MS);
    if (answer === "silent") return;
    await waitFor("an answer", () => socket.bytesRead > before);
  };
  return { connection, socket, peer, look };
}

const HEAD = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "localhost"],
] as const;

test("a server that answers pings may be silent, and one that does not is left", async () => {
  const { connection, peer, look } = await connected();
  const [begun, aborted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  connection.open(HEAD, false, {
    onFields: () => begun.resolve(),
    onData() {},
    onEnd() {},
    onAborted: () => aborted.resolve(),
  });
  await begun.promise;
  await look();
  for (let i = 0; i < 3; i++) {
    await look("answered");
    await look();
  }
  peer.pause();
  await look();
  await look();
  await aborted.promise;
});

test("a server without calls may be silent", async () => {
  const { connection, socket, peer, look } = await connected();
  peer.pause();
  for (let i = 0; i < 4; i++) await look();
  expect([connection.hasFreeStream, socket.destroyed]).toEqual([true, false]);
});

/** A connection to a server that is not trusted, and the server's end, to be written by hand. */
async function untrusted() {
  const clock = new ManualClock();
  const server = createServer({ allowHalfOpen: true });
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const socket = connect(await listening(server), "127.0.0.1");
  const [peer] = await accepted;
  peer.on("error", () => peer.destroy()).resume();
  onTestFinished(() => {
    for (const end of [socket, peer]) end.destroy();
    server.close();
  });
  const [ready, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const connection = new Http2ClientConnection(socket, {
    clock,
    leavesSilent: false,
    turns: new InputTurns(systemClock()),
    onReady: ready.resolve,
    onFreeStream: () => {},
    onLeaving: () => {},
    onClose: over.resolve,
  });
  peer.write(rawFrame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0)));
  await ready.promise;
  return { clock, connection, socket, peer, over: over.promise };
}

test("a server that does not end its side of a connection that is over loses it", async () => {
  const { clock, connection, socket, peer } = await untrusted();
  const ended = once(peer, "end");
  connection.drain();
  await ended;
  const closed = once(socket, "close");
  clock.advance(SETTINGS_TIMEOUT_MS);
  await closed;
});

test.each([
  ["pings", rawFrame(FRAME.PING, 0, 0, Buffer.alloc(8))],
  ["frames of unknown types", rawFrame(0xbe, 0, 0, Buffer.alloc(0))],
  // :status 100, by a literal that is not indexed.
  ["interim answers", rawFrame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Buffer.from("\x08\x03100"))],
])("a server that is not trusted and floods its client with %s is left", async (_, frame) => {
  const { connection, peer, over } = await untrusted();
  connection.open(HEAD, false, { onFields() {}, onData() {}, onEnd() {}, onAborted() {} });
  peer.write(Buffer.concat(Array<Buffer>(2 * IDLE_FRAMES_MAX).fill(frame)));
  await over;
});
