// In a process of its own: its answers fill much memory.
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { connect, type TLSSocket } from "node:tls";
import { NODE_PARTS, type NodePart, nodeUser } from "@raft2kube/api/node-users.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import {
  ANSWER_SMALL_BYTES,
  ANSWERS_BYTES_MAX,
  ANSWERS_WAITING_MAX,
  SMALL_ANSWERS_BYTES_MAX,
  STREAM_BYTES,
} from "../limits.ts";
import { RequestMetrics } from "../metrics/requests.ts";
import type { RequestContext } from "../request/context.ts";
import { parseRequestInfo } from "../request/request-info.ts";
import { ask, type AskOptions } from "../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import { InFlight } from "./in-flight.ts";

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

/** A request of a user, as far as its admission goes. */
const request = (method: string, path: string, name: string, groups: string[] = []) => ({
  info: parseRequestInfo(method, path, new URLSearchParams()),
  user: { name, groups },
}) as unknown as RequestContext;
const read = (name: string, groups?: string[]) => request("GET", MAPS, name, groups);
const refused = expect.objectContaining({ http: 429 }) as Error;

describe("requests in flight", () => {
  const { current } = new RequestMetrics(metricsRegistry(), clock);
  const full = { reading: 8, writing: 4 };

  it("are bounded for each user, and for the accounts of a namespace together", () => {
    const inFlight = new InFlight(full, current, new ResponseBudget());
    const first = inFlight.admit(read("a"));
    inFlight.admit(read("a"));
    expect(() => inFlight.admit(read("a"))).toThrow(refused);
    expect(current.reading.value).toBe(2);
    inFlight.admit(request("POST", MAPS, "a"))();
    first();
    first();
    expect(current.reading.value).toBe(1);
    inFlight.admit(read("a"));
    const groups = ["system:serviceaccounts", "system:serviceaccounts:team"];
    for (const name of ["b", "c"]) inFlight.admit(read(name, groups));
    expect(() => inFlight.admit(read("d", groups))).toThrow(refused);
    inFlight.admit(read("e"));
  });

  it("leave a reserve to nodes, and to the control plane all that is left", () => {
    const inFlight = new InFlight(full, current, new ResponseBudget());
    for (const name of ["a", "a", "b", "b", "c", "c"]) inFlight.admit(read(name));
    expect(() => inFlight.admit(read("d"))).toThrow(refused);
    const node = ["system:node:n1", ["system:nodes"]] as const;
    const leave = inFlight.admit(read(node[0], [...node[1]]));
    expect(() => inFlight.admit(read(node[0], [...node[1]]))).toThrow(refused);
    leave();
    const controllers = "system:kube-controller-manager";
    for (const _ of [1, 2]) inFlight.admit(read(controllers));
    expect(() => inFlight.admit(read(controllers))).toThrow(refused);
    // Without a slot, and so that it can be repaired.
    const free = [read("admin", ["system:masters"]), request("GET", "/readyz", "d")];
    for (const each of free) inFlight.admit(each)();
    expect(current.reading.value).toBe(8);
  });

  it("of a node's parts have one share, which leaves some of the reserve to other nodes", () => {
    const inFlight = new InFlight({ reading: 40, writing: 4 }, current, new ResponseBudget());
    for (let tenant = 0; tenant < 30; tenant++) inFlight.admit(read(`tenant ${tenant}`));
    const as = (part: NodePart, node: string) => {
      const { name, group } = nodeUser(part, node);
      return read(name, [group]);
    };
    for (const part of [...NODE_PARTS, "kubelet"] as const) inFlight.admit(as(part, "n2"));
    for (const part of NODE_PARTS) expect(() => inFlight.admit(as(part, "n2"))).toThrow(refused);
    inFlight.admit(as("kubelet", "n1"));
  });

  it("of pods in kube-system have a share, unlike those of controllers", () => {
    const inFlight = new InFlight(full, current, new ResponseBudget());
    const groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
    const account = (extra: Record<string, string[]>) => ({
      ...read(""), user: { name: "system:serviceaccount:kube-system:a", groups, extra },
    });
    const ofPod = account({ "authentication.kubernetes.io/pod-name": ["p"] });
    inFlight.admit(ofPod);
    expect(() => inFlight.admit(ofPod)).toThrow(refused);
    for (let free = 7; free > 0; free--) inFlight.admit(account({}));
  });

  it("are refused before they read what could not be sent", () => {
    const inFlight = new InFlight(full, current, { isFull: ({ name }) => name === "a" });
    expect(() => inFlight.admit(read("a"))).toThrow(refused);
    for (const each of [read("b"), request("POST", MAPS, "a"), request("GET", "/readyz", "a")]) {
      inFlight.admit(each)();
    }
  });

  it("beyond the bound are answered 429, and say when to try again", async () => {
    const node = await api.credentials("system:node:n1", ["system:nodes"]);
    const namespace = "kube-node-lease";
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const body = { metadata: { name: "n1", namespace } };
    const post = () => send(leases, { ...node, method: "POST", body });
    etcd.pause();
    onTestFinished(() => etcd.resume());
    const both = [post(), post()];
    const answer = await Promise.race(both);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "1"]);
    expect(answer.body).toContain("Too many requests, please try again later.");
    expect((await send("/version", node)).status).toBe(200);
    const byAdmin = send(MAPS, { method: "POST", body: { metadata: { name: "x" } } });
    etcd.resume();
    expect((await byAdmin).status).toBe(201);
    expect((await Promise.all(both)).map(({ status }) => status)).toContain(201);
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
  const admin: Owner = { name: "admin", may: "all" };
  const [a, b, c] = ["a", "b", "c"].map((name): Owner => ({ name }));

  /** Takes room; `taken` has the names of those that got it. */
  function budgetOf(answers: number) {
    const budget = new ResponseBudget(answers * big);
    const taken: string[] = [];
    const take = async (name: string, owner = admin, bytes = big, until = signal) => {
      const give = await budget.take(owner, bytes, until);
      taken.push(name);
      return give!;
    };
    const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
    return { budget, taken, take, settled };
  }

  it("is given in the order it was asked for, and small ones need none", async () => {
    const { taken, take, settled } = budgetOf(2);
    const gives = [await take("1"), await take("2")];
    const third = take("large", admin, 2 * big);
    const fourth = take("after it");
    await take("small", admin, ANSWER_SMALL_BYTES);
    gives[0]!();
    gives[0]!();
    await settled();
    expect(taken).toEqual(["1", "2", "small"]);
    gives[1]!();
    (await third)();
    (await fourth)();
    expect(taken.slice(3)).toEqual(["large", "after it"]);
  });

  it("is given to one that is larger than all of it, alone", async () => {
    const { budget, take } = budgetOf(1);
    (await take("larger", admin, 10 * big))();
    (await take("next"))();
    expect(budget.bytes).toBe(0);
  });

  it("is not kept for a client that disconnected while waiting", async () => {
    const { take } = budgetOf(1);
    const give = await take("first");
    const gone = new AbortController();
    const waited = take("gone", admin, big, gone.signal);
    const next = take("next");
    gone.abort();
    await expect(waited).rejects.toMatchObject({ http: 429 });
    give();
    (await next)();
  });

  it("is shared by users: one that has used its part delays no other", async () => {
    const { budget, taken, take, settled } = budgetOf(8);
    const gives = [await take("a", a), await take("a", a)];
    const waiting = Array.from({ length: ANSWERS_WAITING_MAX }, () => take("a later", a));
    expect([budget.isFull(a!), budget.isFull(b!), budget.isFull(admin)])
      .toEqual([true, false, false]);
    await expect(take("a too many", a)).rejects.toMatchObject({ http: 429 });
    gives.push(await take("b", b), await take("b", b), await take("c", c), await take("c", c));
    // The rest is the reserve.
    const late = take("d", { name: "d" });
    gives.push(await take("node", { name: "node", may: "reserve" }));
    await settled();
    expect(taken).toEqual(["a", "a", "b", "b", "c", "c", "node"]);
    gives[2]!();
    (await late)();
    for (const give of gives) give();
    for (const each of waiting) (await each)();
  });

  it("bounds the small answers that one user does not read", async () => {
    const { budget, take } = budgetOf(1);
    const each = ANSWER_SMALL_BYTES + STREAM_BYTES;
    for (let n = 0; n < Math.floor(SMALL_ANSWERS_BYTES_MAX / each); n++) {
      await take("small", a, ANSWER_SMALL_BYTES);
    }
    expect(await budget.take(a!, ANSWER_SMALL_BYTES, signal)).toBeUndefined();
    await take("small", b, ANSWER_SMALL_BYTES);
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
      // The answers are never read. Lists from the cache, as informers start: the same budget, and
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
