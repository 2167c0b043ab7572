import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, expect, test } from "vitest";
import { OBJECTS_CACHED_CHARACTERS_MAX } from "../limits.ts";
import { apiObjects } from "./objects.ts";

const clock = systemClock();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** An API server whose Secrets all hold `text`; `asked` are the requests that it got. */
async function serve(text: string) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? "");
    const body = { kind: "Secret", apiVersion: "v1", metadata: {}, data: { text } };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  cleanups.push(
    () => client.close(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  return { objects: apiObjects(client, new InformerSet(client), clock), asked };
}

test("Secrets are cached within the bound of characters, the newest of them", async () => {
  const length = 4 * 2 ** 20;
  const kept = OBJECTS_CACHED_CHARACTERS_MAX / length - 1;
  const { objects, asked } = await serve("x".repeat(length));
  for (let index = 0; index <= kept; index++) await objects.secret("n", `s${index}`);
  const before = asked.length;
  await objects.secret("n", `s${kept}`);
  await objects.secret("n", "s1");
  expect(asked.length).toBe(before);
  await objects.secret("n", "s0");
  expect(asked.length).toBe(before + 1);
});

test("a claim is read from the server, once for all that ask meanwhile", async () => {
  const { objects, asked } = await serve("");
  const ask = (names: string[]) => Promise.all(names.map((name) => objects.claim("n", name)));
  await ask(["a", "a", "b", "a"]);
  await ask(["a"]);
  expect(asked.map((path) => path.split("/").at(-1)).sort()).toEqual(["a", "a", "b"]);
  await Promise.all(["v", "v"].map((name) => objects.persistentVolume(name)));
  expect(asked).toHaveLength(4);
});
