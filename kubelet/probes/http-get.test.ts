import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { CountedTurns, mostInOneTurn } from "../../testing/turns.ts";
import { httpGet } from "./http-get.ts";

const PODS = 32;

let server: Server;
afterEach(() => server.close());

/** Returns the result of a GET from a server that sends this and keeps the connection open. */
async function ask(answer: string, timeout_ms = 1_000, headers: [string, string][] = []) {
  server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.write(answer));
  });
  const port = await listening(server);
  const target = { scheme: "http" as const, host: "127.0.0.1", port, path: "/", headers };
  return httpGet(target, { timeout_ms, userAgent: "test" });
}

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nx";

test("an answer that switches protocols is the answer, and a preStop hook goes on", async () => {
  expect(await ask(SWITCH)).toMatchObject({ status: 101 });
});

test.each([
  ["no answer", ""],
  ["only interim answers", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3)],
  ["half of an answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
])("%s ends with the time that there is", async (_, answer) => {
  await expect(ask(answer)).rejects.toThrow("context deadline exceeded");
});

test("more interim answers than are usual are an error", async () => {
  const answer = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000);
  await expect(ask(answer)).rejects.toThrow("more than 16 interim answers");
});

test("what is no HTTP is an error", async () => {
  await expect(ask("no HTTP\r\n\r\n")).rejects.toThrow(/Parse Error/);
});

test("a time of more than 25 days, which no timer takes, is waited for", async () => {
  const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  expect(await ask(OK, 2 ** 31)).toMatchObject({ status: 200 });
  expect(await ask(OK, 2 ** 41)).toMatchObject({ status: 200 });
});

test.each(["keep-alive", "x"])(
  "its connection ends with it, for a header of %s too",
  async (value) => {
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const asked = ask(answer, 60_000, [["Connection", value]]);
    const [socket] = (await once(server, "connection")) as [Socket];
    const closed = once(socket, "close");
    expect(await asked).toMatchObject({ status: 200 });
    await closed;
  },
);

test("answers of many pods that come together are not read in one turn", async () => {
  const waiting: Socket[] = [];
  server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => waiting.push(socket));
  });
  const port = await listening(server);
  const target = { scheme: "http" as const, host: "127.0.0.1", port, path: "/", headers: [] };
  using turn = new CountedTurns();
  const turns: number[] = [];
  const answers = Array.from({ length: PODS }, () => {
    return httpGet(target, { timeout_ms: 60_000, userAgent: "test" }).then(() =>
      turns.push(turn.now),
    );
  });
  await expect.poll(() => waiting.length).toBe(PODS);
  const chunks = "1\r\na\r\n".repeat(9_000);
  for (const socket of waiting) {
    socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  }
  await Promise.all(answers);
  expect(mostInOneTurn(turns)).toBeLessThan(PODS);
});
