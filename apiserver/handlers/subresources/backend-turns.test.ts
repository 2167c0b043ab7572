import dns from "node:dns";
import { once } from "node:events";
import { Agent, createServer as createHttpServer, get, type IncomingMessage } from "node:http";
import { createServer, type Socket } from "node:net";
import { Readable } from "node:stream";
import { expect, test, vi } from "vitest";
import { listening } from "../../../testing/listening.ts";
import type { Incoming, RequestContext } from "../../request/context.ts";
import { bodyInTurns } from "./backend-turns.ts";
import { openBackend } from "./forward.ts";

const BACKENDS = 32;
const PIECES = 1_000;
const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** A context of a user, and a body that never ends: each read finds many pieces of one byte. */
const asker = (name: string) => ({
  user: { name, groups: [] },
  request: {} as Incoming,
  owner: { name },
});
function endless(): IncomingMessage {
  const answer = new Readable({
    highWaterMark: 1,
    read() {
      for (let i = 0; i < PIECES; i++) this.push("x");
    },
  });
  const socket = { pause: () => void answer.pause(), resume: () => void answer.resume() };
  return Object.assign(answer, { socket }) as unknown as IncomingMessage;
}

test("answers that all come at once are read one in a turn, each read as one piece", async () => {
  const connections: Socket[] = [];
  const backend = createServer((socket) => void connections.push(socket));
  const port = await listening(backend);
  const closing = new AbortController().signal;
  const context = { ...asker("a"), signal: closing, request: { headers: {} } };
  const target = { host: "127.0.0.1", port, path: "/", method: "GET", agent: undefined };
  const opened = Array.from({ length: BACKENDS }, () => {
    return openBackend({ closing }, context as unknown as RequestContext, target);
  });
  await expect.poll(() => connections.length).toBe(BACKENDS);
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const socket of connections) socket.write(head);
  const reads: { turn: number; length: number }[] = [];
  let turn = 0;
  for (const answer of await Promise.all(opened)) {
    bodyInTurns(context as unknown as RequestContext, answer).on("data", ({ length }: Buffer) => {
      reads.push({ turn, length });
    });
  }
  for (const socket of connections) socket.write("1\r\na\r\n".repeat(PIECES));
  const sum = () => reads.reduce((bytes, { length }) => bytes + length, 0);
  for (; sum() < BACKENDS * PIECES; turn++) await nextTurn();
  for (const socket of connections) socket.destroy();
  backend.close();
  expect(sum() / reads.length).toBeGreaterThan(PIECES / 10);
  for (const { turn: one } of reads) {
    expect(reads.filter((read) => read.turn === one).length).toBeLessThanOrEqual(2);
  }
});

test("nodes' names are looked up one at a time, and none for a request that has ended", async () => {
  const fail: (() => void)[] = [];
  using lookup = vi.spyOn(dns, "lookup").mockImplementation(((...[, , done]) => {
    fail.push(() => done(new Error("EAI_AGAIN")));
  }) as (name: string, options: object, done: (error: Error) => void) => void as never);
  const [closing, ending] = [new AbortController().signal, new AbortController()];
  const context = { ...asker("a"), signal: ending.signal, request: { headers: {} } };
  const asked = ["slow.example", "other.example"].map((host) => {
    const target = { host, port: 1, path: "/", method: "GET", agent: undefined };
    return openBackend({ closing }, context as unknown as RequestContext, target).catch(String);
  });
  await expect.poll(() => fail.length).toBeGreaterThan(0);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(fail).toHaveLength(1);
  ending.abort();
  fail[0]!();
  await Promise.all(asked);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(lookup).toHaveBeenCalledTimes(1);
});

test("of an answer that is not taken little is read, over a kept connection too", async () => {
  const endless = Buffer.alloc(64 * 1024 * 1024);
  const backend = createHttpServer((_, response) => void response.end(endless));
  const port = await listening(backend);
  const agent = new Agent({ keepAlive: true });
  const asked = get({ host: "127.0.0.1", port, agent });
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const { socket } = answer;
  await once(bodyInTurns(asker("a"), answer), "readable");
  for (let turn = 0; turn < 1_000; turn++) await nextTurn();
  expect(socket.bytesRead).toBeLessThan(endless.length / 8);
  agent.destroy();
  backend.close();
});

test("a turn of the event loop takes one read, in rotation over the owners", async () => {
  const reads: string[] = [];
  const bodies = ["a", "a", "a", "a", "a", "a", "b"].map((name) => {
    return bodyInTurns(asker(name), endless()).on("data", () => reads.push(name));
  });
  let turns = 0;
  for (; reads.filter((name) => name === "b").length < 5; turns++) await nextTurn();
  for (const body of bodies) body.destroy();
  // Each body reads once before its first turn, and one piece ahead.
  expect(reads.length).toBeLessThanOrEqual(turns + 2 * bodies.length);
  expect(reads.filter((name) => name === "a").length).toBeLessThanOrEqual(5 + 2 * bodies.length);
});
