import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { logger } from "@raft2kube/observe/log.ts";
import packet from "dns-packet";
import { afterEach, expect, test } from "vitest";
import {
  QUERIES_PER_TURN,
  TCP_BYTES_MAX,
  TCP_CONNECTIONS_MAX,
  TCP_CONNECTIONS_PER_CLIENT_MAX,
} from "../limits.ts";
import { listenTcp } from "./tcp.ts";

const IDLE_MS = 200;
const QUERIES = 2_000;
const clients: Socket[] = [];
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const close of closing.splice(0)) await close();
});

/** Serves answers of the largest size, and counts them. */
async function start(idle_ms: number) {
  const made = { answers: 0 };
  const resolve = () => {
    made.answers++;
    return Promise.resolve(Buffer.alloc(TCP_BYTES_MAX));
  };
  const at = { address: "127.0.0.1", port: 0 };
  const { port, close } = await listenTcp(at, resolve, logger("dns-test"), idle_ms);
  closing.push(close);
  const open = (localAddress = "127.0.0.1") => {
    const client = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => undefined);
    clients.push(client);
    return client;
  };
  return { made, open };
}

function query(): Buffer {
  const questions = [{ name: "a.example.org", type: "A" as const, class: "IN" as const }];
  const bytes = packet.encode({
    id: 1,
    type: "query",
    flags: 0,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Sends a byte of a query now and then until the server has enough of it. */
async function dripUntilClosed(client: Socket): Promise<void> {
  const dripping = setInterval(() => client.write("\x7f"), IDLE_MS / 10);
  try {
    await new Promise((resolve) => client.on("close", resolve));
  } finally {
    clearInterval(dripping);
  }
}

test("a client that asks and never reads gets few answers made, and is cut off", async () => {
  const { made, open } = await start(IDLE_MS);
  const client = open().pause();
  client.write(Buffer.concat(Array.from({ length: QUERIES }, query)));
  await dripUntilClosed(client);
  expect(made.answers).toBeGreaterThan(0);
  expect(made.answers).toBeLessThan(QUERIES / 2);
});

test("a client that resets its connection, before or amid its answers, stops no other", async () => {
  const { made, open } = await start(60_000);
  const idle = open();
  await once(idle, "connect");
  const asking = open().pause();
  asking.write(Buffer.concat(Array.from({ length: QUERIES }, query)));
  await expect.poll(() => made.answers).toBeGreaterThan(0);
  for (const client of [idle, asking]) client.resetAndDestroy();
  const other = open();
  other.write(query());
  await once(other, "data");
});

test("a client that reads late gets all its answers", async () => {
  const { open } = await start(60_000);
  const client = open().pause();
  client.write(Buffer.concat(Array.from({ length: 200 }, query)));
  let bytes = 0;
  client.on("data", ({ length }: Buffer) => (bytes += length)).resume();
  await expect.poll(() => bytes, { timeout: 30_000 }).toBe(200 * (TCP_BYTES_MAX + 2));
});

test("queries that come together leave turns of the event loop to others", async () => {
  const answered: number[] = [];
  let turn = 0;
  const ticker = () => {
    turn++;
    if (answered.length < 100) setImmediate(ticker);
  };
  const resolve = () => {
    answered.push(turn);
    return Promise.resolve(Buffer.alloc(12));
  };
  const at = { address: "127.0.0.1", port: 0 };
  const { port, close } = await listenTcp(at, resolve, logger("dns-test"), 60_000);
  closing.push(close);
  const client = connect(port, "127.0.0.1", () => {
    setImmediate(ticker);
    client.resume().write(Buffer.concat(Array.from({ length: 100 }, query)));
  });
  clients.push(client);
  await expect.poll(() => answered.length, { timeout: 30_000 }).toBe(100);
  const ofTurn = Map.groupBy(answered, (each) => each);
  for (const { length } of ofTurn.values()) expect(length).toBeLessThanOrEqual(QUERIES_PER_TURN);
});

test("single bytes do not hold a connection", async () => {
  const { open } = await start(IDLE_MS);
  await dripUntilClosed(open().resume());
});

test("addresses that hold all connections keep no other address out", async () => {
  const { made, open } = await start(60_000);
  const held = Array.from({ length: TCP_CONNECTIONS_MAX }, (_, i) => {
    return open(`127.0.0.${1 + Math.floor(i / TCP_CONNECTIONS_PER_CLIENT_MAX)}`);
  });
  for (const client of held) client.write(query());
  await expect.poll(() => made.answers).toBe(held.length);
  open("127.0.1.1").write(query());
  await expect.poll(() => made.answers).toBe(held.length + 1);
});

test("one address has so many connections, and no more", async () => {
  const { made, open } = await start(60_000);
  const held = Array.from({ length: TCP_CONNECTIONS_PER_CLIENT_MAX }, open);
  for (const client of held) client.write(query());
  await expect.poll(() => made.answers).toBe(held.length);
  const more = open().resume();
  await once(more, "close");
  held[0]!.write(query());
  await expect.poll(() => made.answers).toBe(held.length + 1);
});
