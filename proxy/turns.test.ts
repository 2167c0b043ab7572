import { expect, test } from "vitest";
import { servicePort } from "../testing/service-port.ts";
import { AFFINITY_WORK, CHANGE_WORK, PORT_WORK } from "./limits.ts";
import { turnsOf } from "./turns.ts";

const port = (work: number, affinity_s?: number) =>
  servicePort({
    clusterIps: ["10.96.0.7"],
    allEndpoints: Array((work - PORT_WORK) / (affinity_s === undefined ? 1 : AFFINITY_WORK)).fill({
      address: "10.1.0.1",
      port: 80,
    }),
    affinity_s,
  });
const half = port(CHANGE_WORK / 2);
const small = port(PORT_WORK);
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
