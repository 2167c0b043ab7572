import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  STREAM_CONNECTIONS_MAX,
  STREAM_TOKEN_TTL_MS,
  STREAMS,
  STREAMS_OF_NAMESPACE,
  STREAMS_OF_POD,
  STREAMS_RESERVED,
} from "../limits.ts";
import { StreamingServer } from "./server.ts";

let server: StreamingServer;
const clients: Socket[] = [];
beforeEach(async () => {
  server = new StreamingServer(systemClock(), () => undefined);
  await server.open();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.close();
});

/** Uses a URL of a pod, whose handler lasts until its client goes. */
async function use(sandboxId: string, namespace: string): Promise<void> {
  const begun = Promise.withResolvers<void>();
  const url = server.offer("exec", { sandboxId, namespace }, async (_, socket) => {
    begun.resolve();
    socket.resume().once("end", () => socket.end());
    await once(socket, "close");
  });
  const { port, pathname } = new URL(url);
  const client = connect(Number(port), "127.0.0.1");
  client.on("error", () => client.destroy());
  clients.push(client);
  client.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`);
  await begun.promise;
}

/** Uses as many URLs as a pod or its namespace may, and returns how many. */
async function fill(sandboxId: string, namespace: string): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await use(sandboxId, namespace);
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "resource-exhausted" });
      return count;
    }
  }
}

it("connections of others leave descriptors to the node", async () => {
  const { port } = new URL(
    server.offer("exec", { sandboxId: "a", namespace: "b" }, async () => {}),
  );
  const ends = Array.from({ length: STREAM_CONNECTIONS_MAX + 1 }, async () => {
    const client = connect(Number(port), "127.0.0.1");
    clients.push(client);
    await once(client, "close");
  });
  await Promise.race(ends);
});

it("a pod and a namespace have their share of streams, and others go on", async () => {
  expect(await fill("a", "team")).toBe(STREAMS_OF_POD);
  expect(await fill("b", "team")).toBe(STREAMS_OF_NAMESPACE - STREAMS_OF_POD);
  expect(await fill("c", "team")).toBe(0);
  await use("d", "other");
  clients.shift()!.destroy();
  await expect.poll(() => use("c", "team")).toBeUndefined();
});

it("all of them leave a reserve to kube-system, and get more when some have ended", async () => {
  let all = 0;
  for (let pod = 0; all < STREAMS - STREAMS_RESERVED; pod++) all += await fill(`${pod}`, `n${pod}`);
  expect(await fill("late", "late")).toBe(0);
  expect(await fill("dns", "kube-system")).toBe(STREAMS_RESERVED);
  clients[0]!.destroy();
  await expect.poll(() => use("late", "late")).toBeUndefined();
});

it("an unused URL counts until its time is up", async () => {
  const clock = new ManualClock();
  const idle = new StreamingServer(clock, () => undefined);
  await idle.open();
  const offer = () =>
    idle.offer("exec", { sandboxId: "a", namespace: "team" }, async () => undefined);
  for (let count = 0; count < STREAMS_OF_POD; count++) offer();
  expect(offer).toThrow("of sandbox a");
  clock.advance(STREAM_TOKEN_TTL_MS);
  expect(offer()).toMatch("/exec/");
  await idle.close();
});
