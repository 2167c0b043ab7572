import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { unacknowledgedBytes } from "@raft2kube/linux/socket/socket-queue.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { Budget } from "./proxy-port.ts";
import { openTcpPort } from "./tcp-port.ts";

const HOST = "127.0.0.1";
const ZEROS = Buffer.alloc(6 << 20);
const TURNS = 2_000;
/** Bytes that the proxy reads at a time, and of which it keeps fewer before it stops reading. */
const CHUNK = 1 << 16;
const LAST = CHUNK - 4_096;
const log = logger("test");

/** A client's connection through a proxy port, and the endpoint's side of it. */
async function connected(
  clock: Clock = systemClock(),
): Promise<{ client: Socket; endpoint: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, HOST);
  await once(server, "listening");
  const budget = new Budget({ most: 9, clock, log });
  const proxy = await openTcpPort(HOST, { clock, budget, log });
  proxy.update([{ address: HOST, port: (server.address() as AddressInfo).port }], undefined);
  const accepted = once(server, "connection");
  const client = connect({ port: proxy.port, host: HOST, allowHalfOpen: true });
  const [endpoint] = (await accepted) as [Socket];
  onTestFinished(() => {
    for (const socket of [client, endpoint]) socket.destroy();
    proxy.close(true);
    server.close();
  });
  client.write("question");
  await once(endpoint, "data");
  endpoint.write("answer");
  await once(client, "data");
  return { client, endpoint };
}

test.each([
  ["client", "endpoint"],
  ["endpoint", "client"],
] as const)("a reset by the %s is a reset for the %s", async (first, other) => {
  const sides = await connected();
  const errors: unknown[] = [];
  const side = sides[other];
  side.on("error", (error: NodeJS.ErrnoException) => errors.push(error.code));
  side.on("end", () => side.end());
  const closed = new Promise<void>((resolve) => side.once("close", () => resolve()));
  side.resume();
  sides[first].resetAndDestroy();
  await closed;
  expect(errors).toEqual(["ECONNRESET"]);
});

/**
 * Ends a client's side and has it read an answer when no more of it moves: returns how many
 * bytes came.
 */
async function readLate(answer_bytes: number): Promise<number> {
  const { client, endpoint } = await connected();
  client.pause().end();
  await once(endpoint.resume(), "end");
  endpoint.end(ZEROS.subarray(0, answer_bytes));
  await turns();
  let read_bytes = 0;
  client.on("data", (data) => (read_bytes += data.length));
  await once(client.resume(), "end");
  return read_bytes;
}

test("answers are complete for clients that have ended their side and read late", async () => {
  // One of them fills the kernel's buffers but for a part of its last chunk, which the proxy has.
  for (let chunks = 16; (chunks + 1) * CHUNK <= ZEROS.length; chunks++) {
    const answer_bytes = chunks * CHUNK + LAST;
    expect(await readLate(answer_bytes)).toBe(answer_bytes);
  }
});

const turns = async () => {
  for (let turn = 0; turn < TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
};

/**
 * Makes an endpoint reset its connection after an answer, of which all or as much is acknowledged
 * as the buffers between take while the client does not read. Returns the bytes that were
 * acknowledged, those that the client reads then, and how its connection ends.
 */
async function readAfterReset(answer_bytes: number): Promise<[number, number, unknown]> {
  const { client, endpoint } = await connected();
  let read_bytes = 0;
  const closed = new Promise((resolve) => {
    client.pause().once("end", () => resolve("end"));
    client.once("error", (error: NodeJS.ErrnoException) => {
      read_bytes += client.readableLength; // of which Node emits no event then
      resolve(error.code);
    });
  });
  endpoint.write(ZEROS.subarray(0, answer_bytes));
  await turns();
  const sent_bytes = answer_bytes - unacknowledgedBytes(endpoint);
  endpoint.resetAndDestroy();
  await turns();
  client.on("data", (data) => (read_bytes += data.length)).resume();
  const how = await closed;
  return [sent_bytes, read_bytes, how];
}

test("an endpoint's reset comes after what it had sent of its answer", async () => {
  let most_bytes = 0;
  // Up to more than all buffers take: of some sizes the last chunk is in the proxy's own.
  for (let chunks = 0; (chunks + 1) * CHUNK <= ZEROS.length; chunks++) {
    const [sent_bytes, read_bytes, how] = await readAfterReset(chunks * CHUNK + LAST);
    expect([Math.min(read_bytes, sent_bytes), how]).toEqual([sent_bytes, "ECONNRESET"]);
    most_bytes = Math.max(most_bytes, sent_bytes);
  }
  expect(most_bytes).toBeGreaterThan(16 * CHUNK);
});

/**
 * Makes an endpoint reset its connection after an answer, of which the kernels' buffers have more
 * than the client's takes. Returns the pauses between the checks whether the client has it, and how
 * its connection ends.
 */
async function pausesAfterReset(answer_bytes: number): Promise<[number[], unknown]> {
  const manual = new ManualClock();
  const pauses_ms: number[] = [];
  const { client, endpoint } = await connected({
    now: () => manual.now(),
    monotonic: () => manual.monotonic(),
    after(delay_ms, fn) {
      pauses_ms.push(delay_ms);
      return manual.after(delay_ms, fn);
    },
  });
  const closed = new Promise((resolve) => {
    client.pause().once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  endpoint.write(ZEROS.subarray(0, answer_bytes));
  await turns();
  endpoint.resetAndDestroy();
  await turns();
  for (let at = 0; at < pauses_ms.length; at++) manual.advance(pauses_ms[at]!);
  client.resume();
  return [pauses_ms, await closed];
}

test("a client that does not read is looked at less and less often, until its time", async () => {
  const seen: [number[], unknown][] = [];
  for (let chunks = 4; chunks <= 16; chunks += 2) seen.push(await pausesAfterReset(chunks * CHUNK));
  const waited = seen.filter(([{ length }]) => length > 0);
  expect(waited).not.toEqual([]);
  expect(waited).toEqual(
    waited.map(() => [
      [10, 20, 40, 80, 160, 320, 640, ...Array.from({ length: 8 }, () => 1_000), 730],
      "ECONNRESET",
    ]),
  );
});

/**
 * Starts a program that listens and whose queue of connections is full, so that the kernel answers
 * no further one, until it is resumed.
 */
async function startFull(): Promise<{ port: number; resume(): void }> {
  const serve = `
    const { readSync, writeSync } = require("node:fs");
    const { createServer } = require("node:net");
    const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
    server.listen(0, "${HOST}", 1, () => {
      writeSync(1, String(server.address().port));
      readSync(0, Buffer.alloc(1));
    });`;
  const child = spawn(process.execPath, ["-e", serve], { stdio: ["pipe", "pipe", "inherit"] });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(text);
  const filling = Array.from({ length: 2 }, () => connect(port, HOST).on("error", () => {}));
  await Promise.all(filling.map((socket) => once(socket, "connect")));
  onTestFinished(() => {
    for (const socket of filling) socket.destroy();
    child.kill();
  });
  return { port, resume: () => void child.stdin.write("\n") };
}

/** The local ports of attempts to connect to a port that have no answer: state SYN_SENT. */
function attemptsTo(port: number): string[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to?.endsWith(remote) && state === "02")
    .map(([, from]) => from ?? "");
}

test("a single endpoint that accepts too late is tried again", async () => {
  const { port, resume } = await startFull();
  const clock = systemClock();
  const budget = new Budget({ most: 9, clock, log });
  const proxy = await openTcpPort(HOST, { clock, budget, log });
  onTestFinished(() => proxy.close(true));
  proxy.update([{ address: HOST, port }], undefined);
  const client = connect(proxy.port, HOST);
  client.write("question");
  const answer = once(client, "data");
  const first = await waitFor("an attempt", () => attemptsTo(port)[0], { clock });
  const isSecond = () => attemptsTo(port).some((attempt) => attempt !== first);
  await Promise.race([waitFor("another attempt", isSecond, { clock }), answer]);
  resume();
  expect(String(await answer)).toBe("question");
  client.destroy();
});
