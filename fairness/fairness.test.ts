import { describe, expect, it } from "vitest";
import { allocate } from "./allocate.ts";
import { DemandIntegrator } from "./demand.ts";
import { Fairness } from "./fairness.ts";
import type { Level } from "./level.ts";
import { ADJUST_INTERVAL_MS } from "./limits.ts";
import type { Digest } from "./match.ts";
import { FLOWS, LEVELS } from "./objects.ts";
import type { Ticket } from "./queue.ts";
import { RetryAfter } from "./retry-after.ts";
import { ONE_SEAT, workOfList, workOfWrite } from "./work.ts";

const named = (name: string) => ({ metadata: { name, uid: `uid of ${name}` } });
const UPSTREAMS = {
  levels: Object.entries(LEVELS).map(([name, spec]) => ({ ...named(name), spec })),
  schemas: Object.entries(FLOWS).map(([name, spec]) => ({ ...named(name), spec })),
};

function digest(name: string, groups: string[], verb: string, path: string): Digest {
  const [, root, ...rest] = path.split("/");
  const [group = "", ...parts] =
    root === "api" ? ["", ...rest.slice(1)] : [rest[0]!, ...rest.slice(2)];
  const isThere = parts[0] === "namespaces" && parts.length > 2;
  const [resource = "", , subresource = ""] = isThere ? parts.slice(2) : parts;
  const resourceRequest = root === "api" || root === "apis";
  const namespace = isThere ? parts[1]! : "";
  const info = { resourceRequest, verb, path, group, namespace, resource, subresource };
  return { user: { name, groups: [...groups, "system:authenticated"] }, info };
}

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
const ACCOUNTS = ["system:serviceaccounts"];
const [NODE, NODES] = ["system:node:n1", ["system:nodes"]];
const SYSTEM_ACCOUNTS = "kube-system-service-accounts";
const PODS = "/api/v1/pods";
const ACCOUNT = "system:serviceaccount";

const REQUEST = { work: ONE_SEAT, dispatched: () => undefined, subject: undefined };

/** Starts a request of one seat in a level. */
const start = ({ queueSet }: Level, schema: string, distinguisher: string, now_ms: number) =>
  queueSet.start({ schema, distinguisher, ...REQUEST }, now_ms) as Ticket;

describe("classification", () => {
  const fairness = new Fairness(600, 0);
  fairness.configure(UPSTREAMS, 0);

  it.each<[string, string[], string, string, string, string]>([
    ["admin", ["system:masters"], "list", "/api/v1/pods", "exempt", "exempt"],
    ["anyone", [], "get", "/readyz", "probes", "exempt"],
    [NODE, NODES, "update", LEASE, "system-node-high", "node-high"],
    [NODE, NODES, "patch", "/api/v1/nodes/n1/status", "system-node-high", "node-high"],
    [NODE, NODES, "list", PODS, "system-nodes", "system"],
    ["system:kube-scheduler", [], "update", LEASE, "system-leader-election", "leader-election"],
    ["system:kube-scheduler", [], "list", "/api/v1/pods", "kube-scheduler", "workload-high"],
    [`${ACCOUNT}:kube-system:x`, ACCOUNTS, "get", PODS, SYSTEM_ACCOUNTS, "workload-high"],
    [`${ACCOUNT}:team:x`, ACCOUNTS, "get", PODS, "service-accounts", "workload-low"],
    ["a", [], "get", "/api/v1/pods", "global-default", "global-default"],
  ])("of %s %s %s %s", (name, groups, verb, path, schema, level) => {
    const flow = fairness.classify(digest(name, groups, verb, path), name);
    expect([flow.schema.name, flow.level.name]).toEqual([schema, level]);
  });

  it("divides a schema's requests by user, by namespace, or not at all", () => {
    const path = "/api/v1/namespaces/team/pods";
    const flowOf = (name: string, groups: string[]) =>
      fairness.classify(digest(name, groups, "list", path), name).distinguisher;
    expect(flowOf("system:kube-scheduler", [])).toBe("team");
    expect(flowOf("a", [])).toBe("a");
    expect(flowOf("admin", ["system:masters"])).toBe("");
  });

  it("takes the schema of the lowest precedence, and of those the first by name", () => {
    const own = new Fairness(600, 0);
    const spec = { ...FLOWS["global-default"]!, matchingPrecedence: 5 };
    const more = ["b", "a"].map((name) => ({ ...named(name), spec }));
    const dangling = { ...spec, matchingPrecedence: 2, priorityLevelConfiguration: { name: "no" } };
    const schemas = [...UPSTREAMS.schemas, ...more, { ...named("dangling"), spec: dangling }];
    own.configure({ ...UPSTREAMS, schemas }, 0);
    expect(own.classify(digest("x", [], "get", "/version"), "x").schema.name).toBe("a");
  });

  it("has the mandatory levels before there are any objects", () => {
    const own = new Fairness(600, 0);
    expect(own.classify(digest("x", [], "get", "/version"), "x").level.name).toBe("catch-all");
    expect(own.classify(digest("x", ["system:masters"], "get", "/version"), "x").level.name).toBe(
      "exempt",
    );
    expect(own.levels.map(({ seats }) => seats.nominal)).toEqual([0, 600]);
  });
});

describe("levels", () => {
  it("divide the seats by their shares (upstream's numbers for 600)", () => {
    const fairness = new Fairness(600, 0);
    fairness.configure(UPSTREAMS, 0);
    const seats = Object.fromEntries(
      fairness.levels.map(({ name, seats: of, listSeats_max }) => [
        name,
        [of.nominal, of.least, of.most, listSeats_max],
      ]),
    );
    expect(seats).toMatchObject({
      exempt: [0, 0, 600, Infinity],
      "catch-all": [13, 13, 613, Infinity],
      system: [74, 50, 674, 12],
      "workload-low": [245, 24, 845, 37],
      "global-default": [49, 24, 649, 8],
    });
  });

  it("borrow what others do not use, and give it back when those ask again", () => {
    const fairness = new Fairness(600, 0);
    fairness.configure(UPSTREAMS, 0);
    const level = (name: string) => fairness.levels.find((each) => each.name === name)!;
    const ask = (name: string, length: number, now_ms: number) =>
      Array.from({ length }, (_, n) => start(level(name), name, `${n}`, now_ms));
    const asked = ask("global-default", 300, 0);
    expect(level("global-default").queueSet.waiting).toBeGreaterThan(200);
    fairness.adjust(ADJUST_INTERVAL_MS);
    expect(level("global-default").queueSet.waiting).toBe(0);
    expect(level("workload-low").current).toBeGreaterThanOrEqual(level("workload-low").seats.least);
    const total = fairness.levels.reduce((sum, { current }) => sum + current, 0);
    const nominal = fairness.levels.reduce((sum, { seats }) => sum + seats.nominal, 0);
    expect(Math.abs(total - nominal)).toBeLessThan(fairness.levels.length);
    for (const each of asked) level("global-default").queueSet.finish(each, ADJUST_INTERVAL_MS);
    ask("workload-low", 245, ADJUST_INTERVAL_MS);
    fairness.adjust(2 * ADJUST_INTERVAL_MS);
    expect(level("workload-low").current).toBeGreaterThanOrEqual(240);
  });

  it("whose objects go keep their requests until these are over", () => {
    const fairness = new Fairness(600, 0);
    fairness.configure(UPSTREAMS, 0);
    const flow = fairness.classify(digest("x", [], "get", "/version"), "x");
    const ticket = start(flow.level, "s", "x", 0);
    fairness.configure({ levels: [], schemas: UPSTREAMS.schemas }, 0);
    expect(fairness.isQuiescing(flow.level)).toBe(true);
    expect(fairness.classify(digest("x", [], "get", "/version"), "x").level.name).toBe("catch-all");
    flow.level.queueSet.finish(ticket, 1);
    expect(fairness.levels.map(({ name }) => name)).toEqual(["exempt", "catch-all"]);
  });
});

it("an amount is divided by the targets, within the ranges", () => {
  const claims = [
    { target: 10, least: 5, most: 20 },
    { target: 30, least: 30, most: 35 },
    { target: 0, least: 0, most: 100 },
  ];
  for (const amount of [36, 45, 50, 60, 90, 150]) {
    const { amounts } = allocate(amount, claims);
    expect(amounts.reduce((sum, each) => sum + each, 0)).toBeCloseTo(amount, 6);
    amounts.forEach((each, at) => {
      expect(each).toBeGreaterThanOrEqual(claims[at]!.least);
      expect(each).toBeLessThanOrEqual(claims[at]!.most);
    });
  }
  expect(allocate(45, claims).amounts[0]).toBeCloseTo(11.25, 2);
  expect(allocate(1, claims).amounts).toEqual([5, 30, 0]);
  expect(allocate(1_000, claims).amounts).toEqual([20, 35, 100]);
});

it("a demand has its average, deviation and most, over time", () => {
  const demand = new DemandIntegrator(0);
  demand.set(4, 0);
  demand.set(0, 500);
  expect(demand.take(1_000)).toEqual({ most: 4, average: 2, deviation: 2 });
  demand.set(7, 1_000);
  expect(demand.take(1_000).most).toBe(7);
});

it("lists are as wide as their bytes, up to their level's bound and upstream's", () => {
  const whole = { isSingle: false, limit: 0, isSelected: false, fromCache: true };
  const list = { ...whole, objects: 1_000, bytes: 600_000 };
  expect(workOfList(list, 100).seats).toBe(6);
  expect(workOfList({ ...list, limit: 100 }, 100).seats).toBe(1);
  expect(workOfList({ ...list, isSingle: true }, 100).seats).toBe(1);
  expect(workOfList({ ...list, bytes: 1e9 }, 100).seats).toBe(10);
  expect(workOfList({ ...list, bytes: 1e9, fromCache: false }, 1_000).seats).toBe(100);
  expect(workOfList({ ...list, bytes: 1e9 }, 8).seats).toBe(8);
  expect(workOfList({ ...list, objects: 0, bytes: 0 }, 8).seats).toBe(1);
});

it("writes are as wide as their watchers, or longer", () => {
  expect(workOfWrite(9)).toEqual(ONE_SEAT);
  expect(workOfWrite(25)).toEqual({ seats: 1, finalSeats: 3, extra_ms: 5 });
  expect(workOfWrite(400)).toEqual({ seats: 1, finalSeats: 10, extra_ms: 20 });
});

it("clients are asked to wait longer while many are refused, and shorter again after", () => {
  const retry = new RetryAfter();
  const second = (at: number, count: number) => {
    for (let n = 0; n < count; n++) retry.refused(at * 1_000);
    return retry.seconds;
  };
  expect(second(100, 10)).toBe(1);
  expect(second(101, 10)).toBe(2);
  for (let at = 102; at < 300; at++) second(at, 200);
  expect(retry.seconds).toBe(32);
  for (let at = 400; at < 8_000; at += 40) second(at, 1);
  expect(retry.seconds).toBe(1);
});
