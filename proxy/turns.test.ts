import { expect, test } from "vitest";
import { servicePort } from "../testing/service-port.ts";
import { AFFINITY_WORK, CHANGE_WORK, PORT_WORK } from "./limits.ts";
import { inRotation, type PortChange, turnsOf } from "./turns.ts";

/** The work of a port with a frontend and no endpoints. */
const LEAST_WORK = PORT_WORK + 1;
const port = (work: number, affinity_s?: number) =>
  servicePort({
    clusterIps: ["10.96.0.7"],
    allEndpoints: Array(
      Math.ceil((work - LEAST_WORK) / (affinity_s === undefined ? 1 : AFFINITY_WORK)),
    ).fill({ address: "10.1.0.1", port: 80 }),
    affinity_s,
  });
const half = port(CHANGE_WORK / 2);
const small = port(LEAST_WORK);
const keysOf = (turns: Iterable<ReadonlyMap<string, unknown>>) =>
  [...turns].map((turn) => [...turn.keys()]);

test("changes are applied in parts of some work, small namespaces first, removals last", () => {
  const turns = turnsOf(
    new Map([
      ["shop/removed", { before: half, after: undefined }],
      ["shop/one", { before: undefined, after: half }],
      ["shop/two", { before: half, after: small }],
      ["shop/three", { before: small, after: small }],
      ["shop/large", { before: small, after: port(CHANGE_WORK * 5) }],
      ["other/first", { before: small, after: port(CHANGE_WORK / 2, 600) }],
    ]),
  );
  expect(keysOf(turns)).toEqual([
    ["other/first", "shop/one"],
    ["shop/two", "shop/three", "shop/large"],
    ["shop/removed"],
  ]);
});

test("what earlier passes left comes in every second turn, the oldest first, removals too", () => {
  const full = port(CHANGE_WORK);
  const waiting = new Map([
    ["shop/removed", { before: full, after: undefined }],
    ["shop/left", { before: small, after: full }],
    ["busy/one", { before: small, after: full }],
    ["a/new", { before: small, after: full }],
  ]);
  const old = new Set(["shop/removed", "shop/left", "busy/one"]);
  expect(keysOf(turnsOf(waiting, old))).toEqual([
    ["busy/one"],
    ["shop/removed"],
    ["a/new"],
    ["shop/left"],
  ]);
});

test("a port's source ranges are work, for each of its load balancer's addresses", () => {
  const ranges = Array.from(
    { length: CHANGE_WORK / 2 },
    (_, at) => `10.${at >> 8}.${at & 255}.0/24`,
  );
  const guarded = { ...small, firewall: { addresses: ["192.0.2.1", "192.0.2.2"], ranges } };
  const waiting = ["shop/one", "shop/two"].map((key) => [
    key,
    { before: undefined, after: guarded },
  ]);
  expect(keysOf(turnsOf(new Map(waiting as [string, PortChange][])))).toEqual([
    ["shop/one"],
    ["shop/two"],
  ]);
});

test("Services are planned in rotation of their namespaces, each one's in their order", () => {
  const services = ["ten/a", "ten/b", "ten/c", "shop/web", "other/x", "shop/api"];
  expect(inRotation(services)).toEqual([
    "ten/a",
    "shop/web",
    "other/x",
    "ten/b",
    "shop/api",
    "ten/c",
  ]);
});
