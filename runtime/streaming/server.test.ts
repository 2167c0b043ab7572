import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { STREAMS } from "../limits.ts";
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

/** Uses a URL, whose handler lasts until its client goes. */
async function use(): Promise<void> {
  const begun = Promise.withResolvers<void>();
  const { port, pathname } = new URL(server.offer("exec", async (_, socket) => {
    begun.resolve();
    socket.resume().once("end", () => socket.end());
    await once(socket, "close");
  }));
  const client = connect(Number(port), "127.0.0.1");
  client.on("error", () => client.destroy());
  clients.push(client);
  client.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`);
  await begun.promise;
}

it("runs so many streams at once, and more when some have ended", async () => {
  for (let count = 0; count < STREAMS; count++) await use();
  expect(() => server.offer("exec", async () => undefined)).toThrow(
    expect.objectContaining({ code: "resource-exhausted" }) as Error,
  );
  clients.pop()!.destroy();
  await expect.poll(use).toBeUndefined();
});
