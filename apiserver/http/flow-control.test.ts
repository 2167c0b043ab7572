// In a process of its own: its answers fill much memory.

import { connect, type TLSSocket } from "node:tls";
import { NODE_PARTS, nodeUser } from "@raft2kube/api/node-users.ts";
import { Fairness } from "@raft2kube/fairness/fairness.ts";
import { FLOWS, LEVELS } from "@raft2kube/fairness/objects.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { ownerOf } from "../authn/owner.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import { ANSWERS_BYTES_MAX, LASTING_OF_USER_MAX, TERMS_PER_WATCH } from "../limits.ts";
import { FlowControlMetrics } from "../metrics/flow-control.ts";
import { RequestMetrics } from "../metrics/requests.ts";
import type { RequestContext } from "../request/context.ts";
import { parseRequestInfo } from "../request/request-info.ts";
import { FlowControl } from "./flow-control.ts";

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
const request = (method: string, path: string, name: string, groups: string[] = []) =>
  ({
    info: parseRequestInfo(method, path, new URLSearchParams()),
    query: new URLSearchParams(),
    user: { name, groups: [...groups, "system:authenticated"] },
    signal: new AbortController().signal,
    response: { setHeader: () => undefined },
  }) as unknown as RequestContext;
const read = (name: string, groups?: string[]) => request("GET", MAPS, name, groups);
const refused = expect.objectContaining({ http: 429 }) as Error;

/** A request that is worked on. */
interface Held {
  readonly giveWay: () => Promise<void>;
  readonly ended: () => void;
}

describe("requests", () => {
  const NODE = "system:node:n1";

  /** A server's admission with `seats`, and upstream's levels. */
  function controlOf(seats: number, answers = new ResponseBudget()) {
    const clock = new ManualClock(Date.now());
    const fairness = new Fairness(seats, clock.monotonic());
    const objects = {
      levels: Object.entries(LEVELS).map(([name, spec]) => ({ metadata: { name }, spec })),
      schemas: Object.entries(FLOWS).map(([name, spec]) => ({ metadata: { name }, spec })),
    };
    fairness.configure(objects, clock.monotonic());
    const registry = metricsRegistry();
    const { current } = new RequestMetrics(registry, clock);
    const metrics = new FlowControlMetrics(registry, current, fairness);
    const resources = { find: () => undefined };
    const control = new FlowControl({ fairness, resources, clock, metrics, answers });
    const enter = (context: RequestContext): Promise<Held> =>
      new Promise((resolve, reject) => {
        const over = Promise.withResolvers<void>();
        const ended = () => {
          context.answered!();
          over.resolve();
        };
        const work = () => {
          resolve({ giveWay: context.giveWay!, ended });
          return over.promise;
        };
        control.admit(context, false, work).catch(reject);
      });
    /** Takes all seats of the level of `context`, each by a user of its own. */
    const fill = async (name: string, groups?: string[]) => {
      const { level } = fairness.classify(read(name, groups), name);
      for (let n = level.queueSet.seatsInUse; n < level.current; n++) {
        await enter(read(`${name}-${n}`, groups));
      }
      return level;
    };
    return { control, clock, fairness, registry, current, enter, fill };
  }
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

  it("show what their level has and should have", async () => {
    const { registry, fill } = controlOf(600);
    const { name, current, seats } = await fill("other");
    const lines = (await registry.metrics()).split("\n");
    const level = `priority_level="${name}"`;
    const of = (metric: string) =>
      lines.find(
        (line) => line.startsWith(`apiserver_flowcontrol_${metric}{`) && line.includes(level),
      );
    expect(of("request_concurrency_in_use")?.split(" ").at(-1)).toBe(String(current));
    expect(of("target_seats")?.split(" ").at(-1)).toBe(String(seats.least));
  });

  it("that watch count as several where their selectors have many terms", () => {
    const { control } = controlOf(600);
    const selector = Array.from({ length: 60 }, (_, n) => `!l${n}`).join(",");
    const fields = Array.from({ length: 40 }, (_, n) => `metadata.name!=n${n}`).join(",");
    const query = new URLSearchParams({ labelSelector: selector, fieldSelector: fields });
    const watch = (search: URLSearchParams) => {
      const info = { ...read("greedy").info, verb: "watch" };
      return control.admitLongRunning({ ...read("greedy"), info, query: search });
    };
    const most = (LASTING_OF_USER_MAX * TERMS_PER_WATCH) / 100;
    const leave = Array.from({ length: most }, () => watch(query));
    expect(() => watch(new URLSearchParams())).toThrow(refused);
    leave[0]!();
    for (let n = 0; n < 100 / TERMS_PER_WATCH; n++) watch(new URLSearchParams("labelSelector=a"));
    expect(() => watch(new URLSearchParams("labelSelector=a"))).toThrow(refused);
  });

  it("of one user wait in its own queues, and another's come before the rest", async () => {
    const { enter, fill, current } = controlOf(600);
    const held: Held[] = [];
    const level = await fill("other");
    const order: string[] = [];
    const wait = (name: string) =>
      void enter(read(name)).then((each) => {
        order.push(name);
        held.push(each);
      });
    for (let n = 0; n < 20; n++) wait("greedy");
    wait("modest");
    await settled();
    expect(order).toEqual([]);
    expect(level.queueSet.waiting).toBe(21);
    // A flow has 6 of 8 seats: the seventh at the latest is of another, the eighth of a third.
    for (const each of [...level.queueSet.tickets].slice(0, 8)) level.queueSet.finish(each, 0);
    await settled();
    expect(order).toHaveLength(7);
    expect(order).toContain("modest");
    for (const each of held) for (const _ of [1, 2]) each.ended();
    expect(current.readOnly.value).toBe(level.current);
  });

  it("that do the work of many give their seats to those that wait, and wait again", async () => {
    const { enter, fill } = controlOf(600);
    const long = await enter(read("greedy"));
    const { queueSet } = await fill("other");
    const seats = queueSet.seatsInUse;
    await long.giveWay();
    expect(queueSet.seatsInUse).toBe(seats);
    let modest: Held | undefined;
    void enter(read("modest")).then((held) => {
      modest = held;
    });
    await settled();
    const again = long.giveWay();
    await settled();
    expect([modest !== undefined, queueSet.waiting, queueSet.seatsInUse]).toEqual([true, 1, seats]);
    modest?.ended();
    await again;
    expect([queueSet.waiting, queueSet.seatsInUse]).toEqual([0, seats]);
    long.ended();
    await long.giveWay();
    expect(queueSet.seatsInUse).toBe(seats - 1);
  });

  it("that end while they wait again hold no seat", async () => {
    const { enter, fill } = controlOf(600);
    const long = await enter(read("greedy"));
    const { queueSet } = await fill("other");
    const seats = queueSet.seatsInUse;
    const others = [enter(read("modest"))];
    const again = long.giveWay();
    long.ended();
    for (const each of await Promise.all(others)) each.ended();
    await again;
    expect([queueSet.waiting, queueSet.seatsInUse]).toEqual([0, seats - 1]);
  });

  it("that fail hold no seat", async () => {
    const { control, fairness } = controlOf(60);
    const context = read("a");
    const fails = control.admit(context, false, () => Promise.reject(new Error("broken")));
    await expect(fails).rejects.toThrow("broken");
    expect(fairness.classify(context, "a").level.queueSet.seatsInUse).toBe(0);
  });

  it("of the accounts of a namespace are one flow, however many there are", async () => {
    const { fairness } = controlOf(60);
    const groups = ["system:serviceaccounts", "system:serviceaccounts:team"];
    const flows = ["b", "c"].map((name) => {
      const context = read(`system:serviceaccount:team:${name}`, groups);
      return fairness.classify(context, ownerOf(context).name);
    });
    expect(flows.map(({ distinguisher }) => distinguisher)).toEqual(Array(2).fill(groups[1]));
  });

  it("leave nodes and the control plane their seats, and administrators are exempt", async () => {
    const { enter, fill } = controlOf(60);
    await fill("tenant");
    await fill("account", ["system:serviceaccounts"]);
    for (const each of [
      read(NODE, ["system:nodes"]),
      read("system:kube-controller-manager"),
      read("admin", ["system:masters"]),
      request("GET", "/readyz", "d", ["system:authenticated"]),
    ])
      await enter(each);
  });

  it("of a node's parts are one flow among those of nodes", async () => {
    const { enter, fairness, fill } = controlOf(600);
    await fill("tenant");
    for (const part of [...NODE_PARTS, "kubelet"] as const) {
      const { name, group } = nodeUser(part, "n2");
      await enter(read(name, [group]));
    }
    const system = fairness.levels.find(({ name }) => name === "system")!;
    const flows = [...system.queueSet.tickets].map(({ distinguisher }) => distinguisher);
    expect(new Set(flows)).toEqual(new Set(["node n2"]));
    expect(flows).toHaveLength(NODE_PARTS.length + 1);
  });

  it("are refused before they read what could not be sent", async () => {
    const full = { isFull: ({ name }: Owner) => name === "a" } as ResponseBudget;
    const { enter } = controlOf(60, full);
    await expect(enter(read("a"))).rejects.toEqual(refused);
    for (const each of [read("b"), request("POST", MAPS, "a"), request("GET", "/readyz", "a")]) {
      (await enter(each)).ended();
    }
  });

  it("wait for a quarter of their time, and not for a client that has gone", async () => {
    const { clock, enter, fill } = controlOf(60);
    const level = await fill("other");
    const gone = new AbortController();
    const late = enter({ ...read("a"), deadline_ms: clock.monotonic() + 40_000 });
    const left = enter({ ...read("a"), signal: gone.signal });
    const outcomes = Promise.allSettled([late, left]);
    gone.abort();
    clock.advance(9_999);
    await settled();
    expect(level.queueSet.waiting).toBe(1);
    clock.advance(1);
    expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const { refused: why } = level.queueSet.flows.get("global-default")!;
    expect([...why]).toEqual([
      ["cancelled", 1],
      ["time-out", 1],
    ]);
  });

  it("beyond the queues are answered 429, and are told when to try again", async () => {
    const user = await api.credentials("system:node:n1", ["system:nodes"]);
    const level = {
      type: "Limited",
      limited: { nominalConcurrencyShares: 1, limitResponse: { type: "Reject" } },
    };
    const group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    const rules = [
      {
        subjects: [{ kind: "User", user: { name: "system:node:n1" } }],
        nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
        resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"] }],
      },
    ];
    const spec = { priorityLevelConfiguration: { name: "narrow" }, matchingPrecedence: 7, rules };
    const make = async (plural: string, name: string, body: object) => {
      const answer = await send(`${group}/${plural}`, {
        method: "POST",
        body: { metadata: { name }, spec: body },
      });
      expect(answer.status, answer.body).toBe(201);
      return (JSON.parse(answer.body) as { metadata: { uid: string } }).metadata.uid;
    };
    const uids = [
      await make("prioritylevelconfigurations", "narrow", level),
      await make("flowschemas", "narrow", spec),
    ];
    const uidsOf = ({ headers }: { headers: Record<string, unknown> }) =>
      ["prioritylevel", "flowschema"].map((each) => headers[`x-kubernetes-pf-${each}-uid`]);
    const version = await waitFor(
      "the schema",
      async () => {
        const answer = await send("/version", user);
        return uidsOf(answer)[1] === uids[1] ? answer : undefined;
      },
      patience,
    );
    expect(uidsOf(version)).toEqual(uids);
    etcd.pause();
    onTestFinished(() => etcd.resume());
    const metadata = { name: "n1", namespace: "kube-node-lease" };
    const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const post = () => send(leases, { ...user, method: "POST", body: { metadata } });
    const both = [post(), post()];
    const answer = await Promise.race(both);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "1"]);
    expect(answer.body).toContain("Too many requests, please try again later.");
    expect(uidsOf(answer)).toEqual(uids);
    const dump = await send("/debug/api_priority_and_fairness/dump_priority_levels");
    expect(dump.body).toMatch(/^narrow, +0, +false, +false, +0, +1, +[1-9]\d*, +1, +0, +0$/m);
    const byAdmin = send(MAPS, { method: "POST", body: { metadata: { name: "x" } } });
    const dumped = await send(
      "/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1",
    );
    expect(dumped.body).toMatch(/^narrow, +narrow, +-1, +-1, .* system:node:n1, +create, /m);
    etcd.resume();
    expect((await byAdmin).status).toBe(201);
    expect((await Promise.all(both)).map(({ status }) => status)).toContain(201);
    const { body: metrics } = await send("/metrics");
    const labels = 'flow_schema="narrow",priority_level="narrow"';
    expect(metrics).toContain(`apiserver_flowcontrol_dispatched_requests_total{${labels}}`);
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
    const made = [
      ["clusterroles", { rules }],
      ["clusterrolebindings", { subjects, roleRef }],
    ];
    for (const [plural, more] of made as [string, object][]) {
      const body = { metadata, ...more };
      const answer = await send(`/apis/${apiGroup}/v1/${plural}`, { method: "POST", body });
      expect(answer.status).toBe(201);
    }
    const watcher = await api.credentials("watcher", [WATCHERS]);
    await waitFor(
      "the right to watch",
      async () => {
        const { status, end } = await open(watcher);
        end();
        return status === 200;
      },
      patience,
    );
  });

  const watch = `${MAPS}?watch=1&allowWatchBookmarks=true`;

  /** Opens a watch, and waits for its head. */
  async function open(user: KeyPair): Promise<{ status: number; end(): void }> {
    const { port } = api.apiserver.address;
    const socket: TLSSocket = connect({
      host: "127.0.0.1",
      port,
      ca: api.ca.cert,
      ...user,
      ALPNProtocols: ["http/1.1"],
    });
    socket.on("error", () => undefined);
    socket.write(`GET ${watch} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const head = await new Promise<string>((resolve) =>
      socket.once("data", (data: Buffer) => {
        resolve(data.toString("latin1"));
      }),
    );
    return { status: Number(head.split(" ")[1]), end: () => socket.destroy() };
  }

  it.each<[string, string, (at: number) => string]>([
    ["one user", "people", () => "alice"],
    [
      "the accounts of one namespace",
      "system:serviceaccounts:team",
      (at) => `system:serviceaccount:team:bot-${at}`,
    ],
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
    const again = await waitFor(
      "room again",
      async () => {
        const next = await open(users[2]!);
        return next.status === 200 ? next : undefined;
      },
      patience,
    );
    for (const each of [second, again, ...others]) each.end();
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
