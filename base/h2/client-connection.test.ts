import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { Http2ClientConnection } from "./client-connection.ts";
import { SILENCE_LOOK_MS } from "./limits.ts";
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
    await waitFor("an answer", () => socket.bytesRead > before, { clock: systemClock() });
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
