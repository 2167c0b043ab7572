import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { promisify } from "node:util";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { testOptions } from "../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  BODY_BYTES_MAX,
  LARGE_IDLE_MS,
  LARGE_REQUEST_MS,
  LARGE_REQUESTS_BYTES_MAX,
  LARGE_REQUESTS_MAX,
  SHARE,
} from "../limits.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Incoming, RequestContext } from "../request/context.ts";
import { parseRequestInfo } from "../request/request-info.ts";
import { LargeThread, threadInit } from "./large-thread.ts";

// Takes turns, limits of memory that are filled: see ../http/greedy.test.ts.

const ENDED = { status: { code: 503, message: "the thread of large requests ended" } };
const NAMESPACES = "/api/v1/namespaces";
const dir = suiteFolder("r2k-thread-");
let store: Store;
let options: ApiserverOptions;
let clock: ManualClock;
let thread: LargeThread;

beforeAll(async () => {
  store = await startStore({ dataDir: dir, listenClient: { path: join(dir, "s.sock") } });
  const ca = await createCa({ commonName: "r2k-test", days: 1, now_ms: Date.now() });
  options = await testOptions(store.client, ca);
});
afterAll(async () => {
  await thread.close();
  await store.close();
});
// A thread loads all that an apiserver has: tests that leave it alive share it.
beforeEach(() => {
  if (thread?.servesWith(undefined)) return;
  clock = new ManualClock();
  thread = new LargeThread(threadInit(options), clock);
});

const ADMIN = { name: "admin", groups: ["system:masters"], uid: "", extra: {} };

/** The context of a user's request to create a Namespace. */
function creation(signal = new AbortController().signal, user = ADMIN): RequestContext {
  const query = new URLSearchParams();
  const headers = { "content-type": "application/json" };
  const request = { method: "POST", url: NAMESPACES, headers } as unknown as Incoming;
  const info = parseRequestInfo("POST", NAMESPACES, query);
  const none = { response: undefined as never, upgrade: undefined, cut: () => undefined };
  return { id: "1", ...none, info, query, request, user, signal, warnings: [] };
}

const bodyOf = (name: string) => Buffer.from(JSON.stringify({ metadata: { name } }));
const create = (name: string) => thread.serve(creation(), bodyOf(name));

it.each(["while it starts", "once it has started"])(
  "requests are 503 if it ends %s",
  async (when) => {
    if (when === "once it has started") await create("first");
    const waiting = [create("second"), create("third")].map((answer) =>
      expect(answer).rejects.toMatchObject(ENDED),
    );
    await thread.close();
    await Promise.all(waiting);
  },
);

it("requests are 503 if it cannot start, and it takes no others", async () => {
  const broken = new LargeThread({ ...threadInit(options), encryption: "kind: Pod" }, clock);
  const answer = broken.serve(creation(), Buffer.from("{}"));
  await expect(answer).rejects.toMatchObject(ENDED);
  const refuses = () => !broken.servesWith("kind: Pod");
  await waitFor("the end of the thread", refuses);
});

it("a retired thread takes no other request, answers those that it has, and ends", async () => {
  const path = join(dir, "relay.sock");
  const relay = createServer((socket) => {
    pipeline(socket, connect(join(dir, "s.sock")), socket, () => socket.destroy());
  }).listen(path);
  await once(relay, "listening");
  const connections = promisify(relay.getConnections.bind(relay));
  const through = { ...threadInit(options), store: { endpoints: [`unix://${path}`] } };
  const retired = new LargeThread(through, clock);
  const waiting = retired.serve(creation(), bodyOf("retired"));
  retired.retire();
  expect(retired.servesWith(undefined)).toBe(false);
  expect(await waiting).toMatchObject({ code: 201 });
  expect(await connections()).toBeGreaterThan(0);
  clock.advance(0);
  const isGone = async () => (await connections()) === 0;
  await waitFor("the end of its connections", isGone);
  relay.close();
});

it("a request that does not end is 504, and those that wait have another thread", async () => {
  const path = join(dir, "silent.sock");
  let isSilent = true;
  const relay = createServer((socket) => {
    socket.on("error", () => undefined);
    if (isSilent) return void socket.resume();
    pipeline(socket, connect(join(dir, "s.sock")), socket, () => socket.destroy());
  }).listen(path);
  await once(relay, "listening");
  const through = { ...threadInit(options), store: { endpoints: [`unix://${path}`] } };
  const stuck = new LargeThread(through, clock);
  const endless = stuck.serve(creation(), bodyOf("endless"));
  const next = stuck.serve(creation(), bodyOf("after-endless"));
  await once(relay, "connection");
  isSilent = false;
  clock.advance(LARGE_REQUEST_MS);
  await expect(endless).rejects.toMatchObject({ status: { code: 504, reason: "Timeout" } });
  expect(await next).toMatchObject({ code: 201 });
  await stuck.close();
  relay.close();
});

it("a request that takes all memory is 503, and those that wait have another thread", async () => {
  const small = new LargeThread(threadInit(options), clock, 128);
  const yaml = creation();
  yaml.request.headers["content-type"] = "application/yaml";
  const full = small.serve(yaml, Buffer.from(`metadata: [${"[],".repeat(200_000)}]`));
  const next = small.serve(creation(), bodyOf("after-full"));
  await expect(full).rejects.toMatchObject(ENDED);
  expect(await next).toMatchObject({ code: 201 });
  await small.close();
});

it("a request beyond those that may wait is 429, and accepted later", async () => {
  const waiting = Array.from({ length: LARGE_REQUESTS_MAX }, (_, n) => create(`n${n}`));
  expect(() => create("beyond")).toThrow(expect.objectContaining({ http: 429 }));
  await Promise.all(waiting);
  expect(await create("beyond")).toMatchObject({ code: 201 });
});

it("one user has a share, and its requests do not delay those of others", async () => {
  const order: string[] = [];
  const create = async (user: string, name: string) => {
    const context = creation(undefined, { ...ADMIN, name: user, groups: [] });
    await thread.serve(context, bodyOf(name));
    order.push(user);
  };
  const share = Array.from({ length: LARGE_REQUESTS_MAX * SHARE }, (_, n) => `share-a${n}`);
  const waiting = share.map((name) => create("a", name));
  await expect(create("a", "beyond")).rejects.toMatchObject({ http: 429 });
  await create("b", "share-b");
  expect(order).toEqual(["a", "a", "b"]);
  await Promise.all(waiting);
});

it("a request that is given up before its turn changes nothing, and holds its place till then", async () => {
  const aborting = new AbortController();
  const waiting = Array.from({ length: LARGE_REQUESTS_MAX - 1 }, (_, n) => create(`w${n}`));
  const given = thread.serve(creation(aborting.signal), bodyOf("given-up"));
  aborting.abort();
  expect(() => create("beyond")).toThrow(expect.objectContaining({ http: 429 }));
  await expect(given).rejects.toThrow();
  await Promise.all(waiting);
  expect(await create("given-up")).toMatchObject({ code: 201 });
});

it("a request that cannot be cloned fails alone", async () => {
  const broken = { ...creation(), id: (() => 0) as unknown as string };
  await expect(thread.serve(broken, Buffer.alloc(0))).rejects.toThrow("could not be cloned");
  expect(await create("whole")).toMatchObject({ code: 201 });
});

it("it answers every request, and ends after LARGE_IDLE_MS without one", async () => {
  const made = await Promise.all([create("a"), create("b")]);
  expect(made).toMatchObject([
    { type: "bytes", code: 201 },
    { type: "bytes", code: 201 },
  ]);
  await expect(create("a")).rejects.toMatchObject({ status: { reason: "AlreadyExists" } });
  clock.advance(LARGE_IDLE_MS - 1);
  await create("c");
  clock.advance(LARGE_IDLE_MS - 1);
  expect(thread.servesWith(undefined)).toBe(true);
  clock.advance(1);
  expect(thread.servesWith(undefined)).toBe(false);
});

it("bodies with more bytes than may wait are 429", async () => {
  const body = Buffer.alloc(BODY_BYTES_MAX, " ");
  const fitting = Math.floor(LARGE_REQUESTS_BYTES_MAX / BODY_BYTES_MAX);
  const waiting = Array.from({ length: fitting }, () => thread.serve(creation(), body));
  const all = Promise.allSettled(waiting);
  expect(() => thread.serve(creation(), body)).toThrow(expect.objectContaining({ http: 429 }));
  await thread.close();
  expect((await all).map(({ status }) => status)).toEqual(waiting.map(() => "rejected"));
});

it("a store that listens nowhere is refused", async () => {
  const hidden = await startStore({ dataDir: join(dir, "hidden") });
  expect(() => threadInit({ ...options, etcd: hidden.client })).toThrow("listens nowhere");
  await hidden.close();
});
