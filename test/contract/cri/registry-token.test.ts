import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { pushImage } from "@raft2kube/runtime/image/push.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { type DockerRegistry, REGISTRY_USER, startDockerRegistry } from "./docker-registry.ts";
import { startTokenServer, type TokenServer } from "./token-server.ts";

const clock = systemClock();
/** Larger than two pieces of an upload. */
const LAYER_BYTES = 34 << 20;

let dir: string;
let tokens: TokenServer;
let registry: DockerRegistry;
let source: ImageStore;
const open = async (name: string) => {
  const store = new ImageStore(join(dir, name), () => []);
  await store.open();
  return store;
};
const push = async (store: ImageStore, name: string, auth: object = REGISTRY_USER) => {
  const lines: string[] = [];
  const progress = (line: string) => void lines.push(line);
  await pushImage(store, name, { auth, clock, endpoints: {}, progress });
  return lines;
};
/** A scope with its actions in order: the registry names them in any. */
function sorted(scope: string): string {
  const at = scope.lastIndexOf(":") + 1;
  return scope.slice(0, at) + scope.slice(at).split(",").sort().join();
}

beforeAll(async () => {
  dir = mkdtempSync("/tmp/r2k-token-");
  tokens = await startTokenServer(dir);
  registry = await startDockerRegistry(dir, { auth: tokens.auth });
  source = await open("source");
  await buildImage(source, {
    name: `${registry.domain}/public/big:1`,
    entries: [{ name: "random", content: randomBytes(LAYER_BYTES), mode: 0o644 }],
    config: {},
  });
});
afterAll(async () => {
  await registry.stop();
  tokens.close();
  rmSync(dir, { recursive: true, force: true });
});

test("an image is pushed by a token, in pieces, and pulled without a user", async () => {
  const name = `${registry.domain}/public/big:1`;
  expect(await push(source, name)).toEqual([expect.stringMatching(/: Pushed$/)]);
  expect(tokens.given.flat().map(sorted)).toContain("repository:public/big:pull,push");
  const store = await open("anonymous");
  await pullImage(store, name, { clock, endpoints: {} });
  expect(store.get(name).config.rootfs).toEqual(source.get(name).config.rootfs);
});

test("a wrong password is refused, and what is private to those without a user", async () => {
  const name = `${registry.domain}/public/big:1`;
  const wrong = { ...REGISTRY_USER, password: "wrong" };
  await expect(push(source, name, wrong)).rejects.toMatchObject({ code: "permission-denied" });
  const hidden = `${registry.domain}/private/big:1`;
  const store = await open("refused");
  await expect(pullImage(store, hidden, { clock, endpoints: {} })).rejects.toMatchObject({
    code: "permission-denied",
  });
  expect(store.list()).toEqual([]);
});

test("a repository of the same registry gives its layers, with a token for both", async () => {
  const store = await open("mounting");
  const from = `${registry.domain}/public/big:1`;
  await pullImage(store, from, { auth: REGISTRY_USER, clock, endpoints: {} });
  const to = `${registry.domain}/private/copy:1`;
  await store.receive(() => store.add(to, store.get(from).manifestDigest));
  tokens.given.length = 0;
  expect(await push(store, to)).toEqual([expect.stringMatching(/: Layer already exists$/)]);
  const scopes = tokens.given.map((of) => of.map(sorted).sort());
  const both = ["repository:private/copy:pull,push", "repository:public/big:pull"];
  expect(scopes).toContainEqual(both);
  const again = await open("copied");
  await pullImage(again, to, { auth: REGISTRY_USER, clock, endpoints: {} });
  expect(again.get(to).id).toBe(store.get(from).id);
});

/** A way to the registry that breaks off answers after so many bytes. */
async function breakingProxy(bytes: number) {
  const [host, port] = registry.domain.split(":");
  let broken = 0;
  const server = createServer((client) => {
    const up = connect(Number(port), host);
    let passed = 0;
    const end = () => [client, up].forEach((socket) => socket.destroy());
    for (const socket of [client, up]) socket.on("error", end);
    client.on("close", end).pipe(up);
    up.on("data", (chunk: Buffer) => {
      passed += chunk.length;
      client.write(chunk);
      if (passed < bytes) return;
      broken++;
      // The client gets all that was passed on, then the end.
      client.end();
      up.destroy();
    });
  });
  await listening(server);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, broken: () => broken, close: () => void server.close() };
}

const pullThrough = async (store: ImageStore, url: string) => {
  const endpoints = { "r.example": url };
  return pullImage(store, "r.example/public/big:1", { auth: REGISTRY_USER, clock, endpoints });
};

test("a pull that breaks off goes on where it was", async () => {
  const proxy = await breakingProxy(LAYER_BYTES / 3);
  const store = await open("resumed");
  try {
    const image = await pullThrough(store, proxy.url);
    expect(image.id).toBe(source.get(`${registry.domain}/public/big:1`).id);
    expect(proxy.broken()).toBeGreaterThanOrEqual(2);
  } finally {
    proxy.close();
  }
});

test("one that breaks off again and again ends, and leaves nothing", async () => {
  const proxy = await breakingProxy(1 << 20);
  const store = await open("broken");
  try {
    await expect(pullThrough(store, proxy.url)).rejects.toThrow("the transfer failed");
    expect(store.list()).toEqual([]);
  } finally {
    proxy.close();
  }
});
