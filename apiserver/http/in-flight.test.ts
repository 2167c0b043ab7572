// In a process of its own: its answers fill much memory.
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { connect, type TLSSocket } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ANSWER_SMALL_BYTES, ANSWERS_BYTES_MAX } from "../limits.ts";
import { ask, type AskOptions } from "../testing/ask.ts";
import { type EtcdServer, startEtcd } from "../testing/etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "../testing/test-apiserver.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";

const clock = systemClock();
const patience = { clock, timeout_ms: 60_000 };
const MAPS = "/api/v1/namespaces/default/configmaps";

let etcd: EtcdServer;
let api: TestApiserver;
let admin: KeyPair;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startTestApiserver(etcd.client, {
    inFlightMax: { reading: 2, writing: 1, lasting: 2 },
  });
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(async () => {
  await api.close();
  await etcd.close();
});

const send = (path: string, options: AskOptions = {}) => ask(api, path, { ...admin, ...options });

describe("requests in flight", () => {
  it("are bounded, but not for system:masters and not for health checks", async () => {
    const anybody = await api.credentials("anybody");
    // A write whose body does not come is being worked on as soon as it is allowed to begin.
    const { port } = api.apiserver.address;
    const held: TLSSocket = connect({ host: "127.0.0.1", port, ca: api.ca.cert, ...admin,
      ALPNProtocols: ["http/1.1"] });
    held.on("error", () => undefined);
    held.write(`POST ${MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n`);
    const body = { metadata: { name: "x" } };
    const refused = await waitFor("a refusal", async () => {
      const answer = await send(MAPS, { ...anybody, method: "POST", body });
      return answer.status === 429 ? answer : undefined;
    }, patience);
    expect(refused.headers["retry-after"]).toBe("1");
    expect(refused.body).toContain("Too many requests, please try again later.");
    expect((await send(MAPS, anybody)).status).toBe(403);
    expect((await send("/readyz", anybody)).status).toBe(200);
    expect((await send(`${MAPS}?dryRun=All`, { method: "POST", body })).status).toBe(201);
    held.destroy();
    await waitFor("room again", async () =>
      (await send(MAPS, { ...anybody, method: "POST", body })).status === 403, patience);
  });
});

const WATCHERS = "watchers";

describe("watches", () => {
  beforeAll(async () => {
    const metadata = { name: WATCHERS };
    const rules = [{ verbs: ["watch"], apiGroups: [""], resources: ["configmaps"] }];
    const apiGroup = "rbac.authorization.k8s.io";
    const subjects = [{ kind: "Group", name: WATCHERS, apiGroup }];
    const roleRef = { apiGroup, kind: "ClusterRole", name: WATCHERS };
    const made = [["clusterroles", { rules }], ["clusterrolebindings", { subjects, roleRef }]];
    for (const [plural, more] of made as [string, object][]) {
      const body = { metadata, ...more };
      const answer = await send(`/apis/${apiGroup}/v1/${plural}`, { method: "POST", body });
      expect(answer.status).toBe(201);
    }
    const watcher = await api.credentials("watcher", [WATCHERS]);
    await waitFor("the right to watch", async () => {
      const { status, end } = await open(watcher);
      end();
      return status === 200;
    }, patience);
  });

  const watch = `${MAPS}?watch=1&allowWatchBookmarks=true`;

  /** Opens a watch, and waits for its head. */
  async function open(user: KeyPair): Promise<{ status: number; end(): void }> {
    const { port } = api.apiserver.address;
    const socket: TLSSocket = connect({ host: "127.0.0.1", port, ca: api.ca.cert, ...user,
      ALPNProtocols: ["http/1.1"] });
    socket.on("error", () => undefined);
    socket.write(`GET ${watch} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const head = await new Promise<string>((resolve) => socket.once("data", (data: Buffer) => {
      resolve(data.toString("latin1"));
    }));
    return { status: Number(head.split(" ")[1]), end: () => socket.destroy() };
  }

  it.each<[string, string, (at: number) => string]>([
    ["one user", "people", () => "alice"],
    ["the accounts of one namespace", "system:serviceaccounts:team",
      (at) => `system:serviceaccount:team:bot-${at}`],
  ])("of %s are bounded, those of others go on", async (_, group, nameOf) => {
    const groups = [group, WATCHERS];
    const users = await Promise.all([0, 1, 2].map((at) => api.credentials(nameOf(at), groups)));
    const first = await open(users[0]!);
    const second = await open(users[1]!);
    expect([first.status, second.status]).toEqual([200, 200]);
    const refused = await send(watch, users[2]!);
    expect(refused.status).toBe(429);
    expect(refused.headers["retry-after"]).toBe("1");
    const other = await api.credentials("other", groups.slice(1));
    const others = await Promise.all([other, admin, admin, admin].map(open));
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    first.end();
    const again = await waitFor("room again", async () => {
      const next = await open(users[2]!);
      return next.status === 200 ? next : undefined;
    }, patience);
    for (const each of [second, again, ...others]) each.end();
  });
});

describe("the budget of large answers", () => {
  const big = ANSWER_SMALL_BYTES + 1;
  const signal = new AbortController().signal;

  it("is given in the order it was asked for, and small ones need none", async () => {
    const budget = new ResponseBudget(2 * big);
    const leaves = [await budget.take(big, signal), await budget.take(big, signal)];
    const order: string[] = [];
    const third = budget.take(2 * big, signal).then((leave) => (order.push("large"), leave));
    const fourth = budget.take(big, signal).then((leave) => (order.push("after it"), leave));
    await budget.take(ANSWER_SMALL_BYTES, signal);
    expect(order).toEqual([]);
    leaves[0]!();
    leaves[0]!();
    await Promise.resolve();
    expect(order).toEqual([]);
    leaves[1]!();
    (await third)();
    (await fourth)();
    expect(order).toEqual(["large", "after it"]);
  });

  it("is given to one that is larger than all of it, alone", async () => {
    const budget = new ResponseBudget(big);
    (await budget.take(10 * big, signal))();
    (await budget.take(big, signal))();
  });

  it("is not kept for a client that disconnected while waiting", async () => {
    const budget = new ResponseBudget(big);
    const leave = await budget.take(big, signal);
    const gone = new AbortController();
    const waited = budget.take(big, gone.signal);
    const next = budget.take(big, signal);
    gone.abort();
    await expect(waited).rejects.toMatchObject({ http: 429 });
    leave();
    (await next)();
  });
});

// Two waits of `patience`, which say what was waited for.
describe("a list storm", { timeout: 3 * patience.timeout_ms }, () => {
  const LISTS = 60;
  const MAP_BYTES = 900_000;
  const MAPS_STORED = 7;

  it("waits for its share of the budget, and others go on", async () => {
    for (let n = 0; n < MAPS_STORED; n++) {
      const data = { x: "x".repeat(MAP_BYTES) };
      const body = { metadata: { name: `m${n}` }, data };
      const made = await send(MAPS, { method: "POST", body });
      expect(made.status).toBe(201);
    }
    const { port } = api.apiserver.address;
    const init = { host: "127.0.0.1", port, ca: api.ca.cert, ...admin };
    const clients = Array.from({ length: LISTS }, () => {
      const socket = connect({ ...init, ALPNProtocols: ["http/1.1"] });
      socket.on("error", () => undefined);
      // The answers are never read. Lists from the cache, as informers begin: the same budget, and
      // objects are not decoded for each.
      socket.pause();
      socket.write(`GET ${MAPS}?resourceVersion=0 HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    });
    const waiting = async () => {
      const { body } = await send("/metrics");
      return Number(/^r2k_large_answers_bytes (\d+)/m.exec(body)![1]);
    };
    // As many as there is room for, and no more, while what is small is answered.
    const full = ANSWERS_BYTES_MAX - MAPS_STORED * (MAP_BYTES + 1_000);
    await waitFor("the room to be full", async () => (await waiting()) > full, patience);
    for (let n = 0; n < 5; n++) {
      expect(await waiting()).toBeLessThanOrEqual(ANSWERS_BYTES_MAX);
      const body = { metadata: { name: `written-${n}` } };
      expect((await send(MAPS, { method: "POST", body })).status).toBe(201);
      expect((await send(`${MAPS}/written-${n}`)).status).toBe(200);
    }
    for (const client of clients) client.destroy();
    await waitFor("all room to be given back", async () => (await waiting()) === 0, patience);
  });
});
