import { once } from "node:events";
import { connect } from "node:http2";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { PIECES_OF_REQUEST, REQUESTS_OF_READ_MAX } from "../limits.ts";
import { StreamTurns } from "./stream-turns.ts";

const server = fileApiserver();
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A connection of an address, and what was done to it. */
function connectionOf(turns: StreamTurns, remoteAddress: string) {
  const done: string[] = [];
  const source = { readStop: () => done.push("stop"), readStart: () => done.push("start") };
  const socket = { remoteAddress, _handle: source, getPeerCertificate: () => ({}) };
  return { done, connection: turns.add(socket as unknown as TLSSocket) };
}

test("an owner with many requests in a turn is read on: first where nothing came", async () => {
  const turns = new StreamTurns();
  const [a, beside, gone, other] = ["a", "a", "a", "b"].map((each) => connectionOf(turns, each));
  const done = () => [a, beside, gone, other].map((each) => each!.done.splice(0).join());
  const fill = (of: typeof a) => {
    for (let i = 0; i < REQUESTS_OF_READ_MAX; i++) of!.connection.came();
  };
  for (let i = 1; i < REQUESTS_OF_READ_MAX; i++) a!.connection.came();
  expect(done()).toEqual(["", "", "", ""]);
  a!.connection.came();
  a!.connection.came();
  expect(done()).toEqual(["stop", "stop", "stop", ""]);
  gone!.connection.close();
  await turn();
  expect(done()).toEqual(["", "start", "", ""]);
  fill(beside);
  expect(done()).toEqual(["stop", "stop", "", ""]);
  await turn();
  expect(done()).toEqual(["", "", "", ""]);
  await turn();
  expect(done()).toEqual(["start", "start", "", ""]);
  fill(a);
  await turn();
  expect(done()).toEqual(["stop", "stop,start", "", ""]);
  await turn();
  expect(done()).toEqual(["start", "", "", ""]);
});

test("pieces of bodies count as parts of a request", () => {
  const { done, connection } = connectionOf(new StreamTurns(), "a");
  const pieces = REQUESTS_OF_READ_MAX * PIECES_OF_REQUEST;
  for (let i = 1; i < pieces; i++) connection.cameOn();
  expect(done).toEqual([]);
  connection.cameOn();
  expect(done).toEqual(["stop"]);
});

test("all requests of connections that are read in turns are answered", async () => {
  const { ca, server: url } = server.api;
  const sessions = Array.from({ length: 8 }, () => connect(url, { ca: ca.cert }));
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
