// In a process of its own: its answers fill much memory.
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import {
  ANSWER_STALL_MS,
  ANSWERS_BYTES_MAX,
  ANSWERS_WAITING_MAX,
  BODIES_BYTES_MAX,
  BODY_BYTES_MAX,
  HTTP2_STREAMS_MAX,
  SHARE,
  SMALL_ANSWERS_BYTES_MAX,
  STREAM_BYTES,
} from "../limits.ts";
import { grant } from "../testing/grant.ts";

// Takes turns, limits of memory that are filled: both files fill them, here those of answers and
// bodies, in large-thread.test.ts those of large requests.

// Requests of one account that does not read its answers or send its bodies, and those of others
// meanwhile. The server's clock stands still: nothing of the account's is ended by a timeout.
const clock = new ManualClock(Date.now());
const patience = { clock: systemClock(), timeout_ms: 200_000 };
// A wait that is in vain says what for, also after another that took long.
vi.setConfig({ testTimeout: 2.5 * patience.timeout_ms });
const server = fileApiserver({ clock });
const { ask } = server;

const MAPS = "/api/v1/namespaces/default/configmaps";
/** A list from the cache, as informers start: it costs the store nothing. */
const LIST = `${MAPS}?resourceVersion=0`;
const REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const MAP_BYTES = 900_000;
const MAPS_STORED = 7;
const READ_MAPS = [{ verbs: ["get", "list"], apiGroups: [""], resources: ["configmaps"] }];
/** Bound of concurrent reads; writes have one of their own. */
const READS = 400;
const WRITES = 320;
/** A window that takes a whole refusal. */
const READ = 65_535;

/** Credentials that show no certificate. */
const NOBODY = {} as KeyPair;

let greedy: KeyPair;
let other: KeyPair;
let node: KeyPair;

beforeAll(async () => {
  for (let n = 0; n < MAPS_STORED; n++) {
    const body = { metadata: { name: `m${n}` }, data: { x: "x".repeat(MAP_BYTES) } };
    expect((await ask(MAPS, { method: "POST", body })).status).toBe(201);
  }
  expect((await ask(MAPS, { method: "POST", body: { metadata: { name: "small" } } })).status).toBe(
    201,
  );
  greedy = await grant(server, "greedy", "default", READ_MAPS);
  other = await grant(server, "other", "default", READ_MAPS);
  node = await server.api.credentials("system:node:n1", ["system:nodes"]);
  const lease = { metadata: { name: "n1", namespace: "kube-node-lease" } };
  expect((await ask(NODE_LEASES, { method: "POST", body: lease })).status).toBe(201);
});

const sessions: ClientHttp2Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await waitFor(
    "all room to be given back",
    async () =>
      (await sample("r2k_large_answers_bytes")) + (await sample("r2k_bodies_bytes")) === 0,
    patience,
  );
});

/** A connection of `user` that accepts `initialWindowSize` bytes of each answer. */
async function connected(initialWindowSize = 0, user = greedy): Promise<ClientHttp2Session> {
  const { ca, server: url } = server.api;
  const settings = { initialWindowSize };
  const session = connect(url, { ca: ca.cert, ...user, settings });
  session.on("error", () => undefined);
  sessions.push(session);
  await once(session, "remoteSettings");
  return session;
}

/** Opens streams, and counts those that have headers of an answer, or are ended. */
function openAll(session: ClientHttp2Session, count: number, headers: Record<string, string>) {
  const seen = { answered: 0, ended: 0, statuses: new Set<number>() };
  for (let n = 0; n < count; n++) {
    const stream = session.request(headers, { endStream: headers[":method"] !== "POST" });
    stream.on("error", () => undefined);
    stream.on("response", ({ ":status": status }) => {
      seen.answered++;
      seen.statuses.add(status!);
    });
    stream.resume().on("close", () => seen.ended++);
  }
  return seen;
}

async function sample(name: string): Promise<number> {
  const { body } = await ask("/metrics");
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(body)![1]);
}

/** The most bytes of large answers from now on to the test's end: looked at when each has its room. */
function highWater(): { readonly bytes: number } {
  const most = { bytes: 0 };
  const { take } = ResponseBudget.prototype;
  vi.spyOn(ResponseBudget.prototype, "take").mockImplementation(async function (
    this: ResponseBudget,
    ...args
  ) {
    const give = await take.apply(this, args);
    most.bytes = Math.max(most.bytes, this.bytes);
    return give;
  });
  onTestFinished(() => void vi.restoreAllMocks());
  return most;
}

let renewals = 0;

/** Requests of others, of a node and of an administrator succeed. */
async function othersGoOn(): Promise<void> {
  expect((await ask(`${MAPS}/small`, other)).status).toBe(200);
  expect((await ask(LIST, other)).status).toBe(200);
  const spec = { resourceAttributes: { verb: "get", resource: "pods" } };
  expect((await ask(REVIEWS, { ...other, method: "POST", body: { spec } })).status).toBe(201);
  const headers = { "content-type": "application/merge-patch+json" };
  const body = JSON.stringify({ spec: { holderIdentity: `n1-${renewals++}` } });
  const renewal = { ...node, method: "PATCH", headers, body };
  expect((await ask(`${NODE_LEASES}/n1`, renewal)).status).toBe(200);
  expect((await ask(LIST)).status).toBe(200);
}

const READS_OF_MAPS = [
  ["small", `${MAPS}/small`],
  ["large", `${MAPS}/m0`],
  ["lists", LIST],
];

it.each(READS_OF_MAPS)("unread answers do not delay those of others: %s", async (_, path) => {
  const seen = openAll(await connected(), READS, { ":path": path! });
  const begun = () => seen.answered >= READS - ANSWERS_WAITING_MAX;
  await waitFor("answers, which are not read", begun, patience);
  expect(seen.statuses).toContain(200);
  await othersGoOn();
  expect(seen.ended).toBe(0);
  expect(await sample("r2k_large_answers_bytes")).toBeLessThanOrEqual(ANSWERS_BYTES_MAX * SHARE);
});

it("lists that are read hold no more than their user's share", async () => {
  const count = 2 * ANSWERS_WAITING_MAX + (ANSWERS_BYTES_MAX * SHARE) / (MAPS_STORED * MAP_BYTES);
  const most = highWater();
  const seen = openAll(await connected(READ), count, { ":path": LIST });
  await waitFor("their ends", () => seen.ended >= count, patience);
  expect(most.bytes).toBeGreaterThan(MAPS_STORED * MAP_BYTES);
  expect(most.bytes).toBeLessThanOrEqual(ANSWERS_BYTES_MAX * SHARE);
  expect(seen.statuses).toEqual(new Set([200, 429]));
});

it("a client that stops reading a large answer is disconnected", async () => {
  const seen = openAll(await connected(), 1, { ":path": LIST });
  await waitFor("the answer", () => seen.answered === 1, patience);
  clock.advance(ANSWER_STALL_MS - 1);
  await othersGoOn();
  expect(seen.ended).toBe(0);
  clock.advance(1);
  await waitFor("its end", () => seen.ended === 1, patience);
});

it("bodies that never end keep no write of others from being worked on", async () => {
  greedy = await server.api.credentials("without-rights");
  const headers = { ":method": "POST", ":path": REVIEWS, "content-type": "application/json" };
  const seen = openAll(await connected(), WRITES, headers);
  const held = async () => (await sample("r2k_bodies_bytes")) >= WRITES * STREAM_BYTES;
  await waitFor("their requests", held, patience);
  await othersGoOn();
  const { body } = await ask("/metrics");
  expect(body).toContain('apiserver_current_inflight_requests{request_kind="mutating"} 0');
  expect([seen.answered, seen.ended]).toEqual([0, 0]);
});

it.each([
  ["without rights", MAPS, {}, 403],
  ["with an invalid token", REVIEWS, { authorization: "Bearer none" }, 401],
])("a request %s is refused before its body", async (_, path, headers, status) => {
  greedy = status === 401 ? NOBODY : await server.api.credentials("without-rights");
  const session = await connected(READ);
  const seen = openAll(session, 3, { ":method": "POST", ":path": path, ...headers });
  await waitFor("their ends", () => seen.ended === 3, patience);
  expect([...seen.statuses]).toEqual([status]);
});

it("bodies of one user beyond its share are 429, those of others are not", async () => {
  greedy = await server.api.credentials("without-rights");
  const session = await connected(READ);
  const headers = { ":method": "POST", ":path": REVIEWS, "content-type": "application/json" };
  const statuses: number[] = [];
  const streams: ClientHttp2Stream[] = [];
  const part = Buffer.alloc(BODY_BYTES_MAX - 1, " ");
  for (let bytes = 0; bytes <= BODIES_BYTES_MAX * SHARE; bytes += part.length) {
    const stream = session.request(headers);
    stream.on("error", () => undefined);
    stream.on("response", ({ ":status": status }) => statuses.push(status!));
    stream.resume().write(part);
    streams.push(stream);
  }
  // The rest of a body that is refused is not taken.
  const isEnded = () => streams.some(({ closed }) => closed);
  await waitFor("a refusal, and the end of its stream", isEnded, patience);
  expect(new Set(statuses)).toEqual(new Set([429]));
  await othersGoOn();
});

it("refusals that a client left unread are not counted once it is gone", async () => {
  greedy = await server.api.credentials("refused");
  const all = Math.ceil(SMALL_ANSWERS_BYTES_MAX / STREAM_BYTES);
  const each = 700;
  for (let count = 0; count < all; count += each) {
    const session = await connected();
    const seen = openAll(session, each, { ":path": MAPS });
    await waitFor("refusals", () => seen.answered + seen.ended === each, patience);
    session.destroy();
  }
  const refused = async () => {
    const answer = await ask(MAPS, greedy).catch((thrown: unknown) => String(thrown));
    return typeof answer === "object" && answer.status === 403;
  };
  await waitFor("a refusal that is read", refused, { ...patience, timeout_ms: 10_000 });
});

it("a request comes before the rest of a flood of another user that began earlier", async () => {
  const [flood, single] = [await connected(READ), await connected(READ, other)];
  const refused = openAll(flood, HTTP2_STREAMS_MAX, { ":path": "/apis/none" });
  const stream = single.request({ ":path": `${MAPS}/small` });
  const [headers] = (await once(stream.resume(), "response")) as [IncomingHttpHeaders];
  expect(headers[":status"]).toBe(200);
  expect(refused.ended).toBeLessThan(HTTP2_STREAMS_MAX / 2);
  await waitFor("the flood's", () => refused.ended === HTTP2_STREAMS_MAX, patience);
});
