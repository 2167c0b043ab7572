import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { digestOf } from "@raft2kube/runtime/image/blobs.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { download } from "./download.ts";

let server: Server;
let port: number;
let asked: string[];
beforeEach(async () => {
  asked = [];
  server = createServer(({ url = "", headers: { host } }, response) => {
    asked.push(url);
    const location = `http://${host!.replace("127.0.0.1", "localhost")}/f`;
    if (url === "/away") response.writeHead(302, { location });
    response.end("x");
  });
  port = await listening(server);
});
afterEach(() => server.close());

async function fetched(network: string, where: string): Promise<string> {
  const flags = new Map([["checksum", [digestOf(Buffer.from("x"))]]]);
  const builder = { signal: new AbortController().signal, host: { clock: systemClock() } };
  const doing = { instruction: { flags, line: 3 }, builder, options: { network } };
  const found = await download(doing, [where], testFolder("r2k-add-"));
  return readFile(found.get("f")!, "utf8");
}

test("ADD of a URL takes a local one with the host's network alone", async () => {
  const url = `http://127.0.0.1:${port}/f`;
  await expect(fetched("none", url)).rejects.toMatchObject({
    message: `line 3: ADD ${url} needs a network`,
    remedy: expect.stringContaining("--network host") as string,
  });
  for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3"]) {
    const local = `http://${host}:${port}/f`;
    await expect(fetched("bridge", local)).rejects.toThrow("is not allowed here");
  }
  expect(asked).toEqual([]);
  expect(await fetched("host", url)).toBe("x");
});

test("a redirection of ADD's leads to no local address", async () => {
  const away = fetched("host", `http://127.0.0.1:${port}/away`);
  await expect(away).rejects.toThrow("is not allowed here");
  expect(asked).toEqual(["/away"]);
});
