import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { LEASES } from "@raft2kube/client-kube/rest/resources.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, describe, expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import {
  OBJECT_READS_MAX,
  OBJECT_TTL_MS,
  OBJECT_WAIT_MS,
  OBJECTS_CACHED_CHARACTERS_MAX,
} from "../limits.ts";
import { csiObjects } from "../volumes/csi-objects.ts";
import { apiObjects } from "./objects.ts";

const clock = systemClock();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/**
 * An API server whose Secrets all hold `text`; `asked` are the requests that it got. `status` 200
 * may be changed to that of its failures, or to "silent"; successes wait for `until`.
 */
async function serve(text: string, its: Clock = clock) {
  const asked: string[] = [];
  const answers: {
    status: number | "silent";
    token: string;
    expires_ms: number;
    until?: Promise<void>;
  } = { status: 200, token: "first", expires_ms: 0 };
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? "");
    if (answers.status === "silent") return;
    if (answers.status !== 200) return void response.writeHead(answers.status).end("{}");
    if (request.url?.endsWith("/token")) {
      const expirationTimestamp = new Date(answers.expires_ms).toISOString();
      const issued = { status: { token: answers.token, expirationTimestamp } };
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(issued));
      return;
    }
    const body = { kind: "Secret", apiVersion: "v1", metadata: {}, data: { text } };
    void Promise.resolve(answers.until).then(() =>
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  cleanups.push(
    () => client.close(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  return { client, objects: apiObjects(client, new InformerSet(client), its), asked, answers };
}

test("thousands of objects that pods name delay neither the lease nor other namespaces", async () => {
  const { client, objects } = await serve("x");
  const csi = csiObjects(client, clock);
  for (let i = 0; i < 1_000; i++) {
    void objects.secret("many", `s${i}`).catch(() => undefined);
    void csi.secret({ namespace: "many", name: `s${i}` }).catch(() => undefined);
  }
  const from_ms = clock.monotonic();
  await client.resource(LEASES).get({ namespace: "kube-node-lease", name: "n1" });
  await objects.configMap("few", "c");
  await csi.secret({ namespace: "few", name: "s" });
  expect(clock.monotonic() - from_ms).toBeLessThan(10_000);
});

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

test("a pod gets no ConfigMap or Secret that was read before it came", async () => {
  const its = new ManualClock();
  const { objects, asked } = await serve("x", its);
  await objects.secret("n", "s", { since_ms: its.monotonic() });
  its.advance(1_000);
  await objects.secret("n", "s");
  expect(asked).toHaveLength(1);
  const since_ms = its.monotonic();
  for (let volume = 0; volume < 3; volume++) await objects.secret("n", "s", { since_ms });
  expect(asked).toHaveLength(2);
  its.advance(OBJECT_TTL_MS);
  await objects.secret("n", "s", { since_ms });
  expect(asked).toHaveLength(3);
});

test("a pod does not get what a read finds that was started before it came", async () => {
  const its = new ManualClock();
  const { objects, asked, answers } = await serve("x", its);
  const held = Promise.withResolvers<void>();
  answers.until = held.promise;
  const before = objects.secret("n", "s");
  await waitFor("the request", () => asked.length === 1);
  its.advance(1);
  const options = { since_ms: its.monotonic() };
  const after = [1, 2].map(() => objects.secret("n", "s", options));
  held.resolve();
  await Promise.all([before, ...after]);
  expect(asked).toHaveLength(2);
});

test("the API's certificate is not read again for each pod", async () => {
  const its = new ManualClock();
  const { objects, asked } = await serve("x", its);
  for (let pod = 0; pod < 3; pod++) {
    its.advance(1);
    await objects.configMap("n", "kube-root-ca.crt", { since_ms: its.monotonic() });
  }
  expect(asked).toHaveLength(1);
});

test("a claim is read from the server, once for all that ask meanwhile", async () => {
  const { objects, asked } = await serve("");
  const ask = (names: string[]) => Promise.all(names.map((name) => objects.claim("n", name)));
  await ask(["a", "a", "b", "a"]);
  await ask(["a"]);
  expect(asked.map((path) => path.split("/").at(-1)).sort()).toEqual(["a", "a", "b"]);
  await Promise.all(["v", "v"].map((name) => objects.persistentVolume("n", name)));
  expect(asked).toHaveLength(4);
});

test("the volumes that pods of one namespace have do not delay those of another", async () => {
  const { objects, asked, answers } = await serve("");
  const held = Promise.withResolvers<void>();
  answers.until = held.promise;
  const names = Array.from({ length: 4 * OBJECT_READS_MAX }, (_, at) => `v${at}`);
  const many = names.map((name) => objects.persistentVolume("many", name));
  const other = objects.persistentVolume("few", "other");
  held.resolve();
  await Promise.all([...many, other]);
  const place = asked.findIndex((path) => path.endsWith("/persistentvolumes/other"));
  expect(place).toBeLessThan(2 * OBJECT_READS_MAX);
});

test("a CSIDriver is read from the server, once for all volumes that ask meanwhile", async () => {
  const { client, asked } = await serve("");
  const csi = csiObjects(client, clock);
  const ask = (volumes: number) =>
    Promise.all(Array.from({ length: volumes }, () => csi.csiDriver("d.example")));
  await ask(512);
  await ask(1);
  expect(asked).toHaveLength(2);
});

describe("while the API server cannot be read", () => {
  test.each([500, 403])("a ConfigMap or Secret may be the one read last (%d)", async (status) => {
    const its = new ManualClock();
    const { objects, answers, asked } = await serve("old", its);
    const read = async () => (await objects.secret("n", "s", { orLast: true }))?.data?.["text"];
    expect(await read()).toBe("old");
    answers.status = status;
    its.advance(OBJECT_TTL_MS);
    for (const requests of [2, 3]) {
      expect(await read()).toBe("old");
      expect(asked).toHaveLength(requests);
    }
    await expect(objects.secret("n", "s")).rejects.toThrow();
    await expect(objects.secret("n", "other", { orLast: true })).rejects.toThrow();
  });

  test("claims, volumes and runtime classes are not those read last", async () => {
    const { objects, answers } = await serve("");
    const reads = [
      () => objects.claim("n", "c"),
      () => objects.persistentVolume("n", "v"),
      () => objects.runtimeHandler("r"),
    ];
    for (const read of reads) await read();
    answers.status = 500;
    for (const read of reads) await expect(read()).rejects.toThrow();
  });

  test("an object that is gone is gone, and stays so", async () => {
    const its = new ManualClock();
    const { objects, answers } = await serve("old", its);
    const read = () => objects.configMap("n", "c", { orLast: true });
    await read();
    its.advance(OBJECT_TTL_MS);
    answers.status = 404;
    expect(await read()).toBe(undefined);
    answers.status = 500;
    expect(await read()).toBe(undefined);
    await expect(objects.configMap("n", "c")).rejects.toThrow();
    answers.status = 200;
    expect(await read()).toBeDefined();
  });

  test("a silent one does not hold a pod that knows the object", async () => {
    const its = new ManualClock();
    const { objects, answers, asked } = await serve("old", its);
    await objects.secret("n", "s");
    its.advance(OBJECT_TTL_MS);
    answers.status = "silent";
    const read = objects.secret("n", "s", { orLast: true });
    await waitFor("the request", () => asked.length === 2);
    its.advance(OBJECT_WAIT_MS);
    expect((await read)?.data?.["text"]).toBe("old");
  });

  test("a token is used until it expires", async () => {
    const its = new ManualClock();
    const { objects, answers } = await serve("", its);
    answers.expires_ms = its.now() + 1_000_000;
    const pod = { metadata: { name: "p", namespace: "n", uid: "u" }, spec: { containers: [] } };
    const token = () => objects.token(pod, { audiences: [], expirationSeconds: 1_000 });
    await token();
    Object.assign(answers, { status: 500, token: "second" });
    its.advance(900_000);
    expect(await token()).toMatchObject({ token: "first" });
    answers.status = 200;
    expect(await token()).toMatchObject({ token: "second" });
    answers.status = 500;
    its.advance(100_000);
    await expect(token()).rejects.toThrow();
  });

  test("a silent one does not hold a pod whose token has not expired", async () => {
    const its = new ManualClock();
    const { objects, answers, asked } = await serve("", its);
    answers.expires_ms = its.now() + 1_000_000;
    const pod = { metadata: { name: "p", namespace: "n", uid: "u" }, spec: { containers: [] } };
    const token = () => objects.token(pod, { audiences: [], expirationSeconds: 1_000 });
    await token();
    answers.status = "silent";
    its.advance(900_000);
    for (let round = 1; round <= 2; round++) {
      const read = token();
      await waitFor("the request", () => asked.length === 2);
      its.advance(OBJECT_WAIT_MS);
      expect(await read).toMatchObject({ token: "first" });
    }
    expect(asked).toHaveLength(2);
  });
});
