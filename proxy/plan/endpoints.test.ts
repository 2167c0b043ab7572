import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { describe, expect, test } from "vitest";
import { type ClientPlace, endpointsOf, reachableEndpoints } from "./endpoints.ts";

interface Shape {
  zones?: string[];
  nodes?: string[];
  ready?: boolean;
  /** Terminating, and still serving. */
  leaving?: boolean;
  local?: boolean;
}

const NODE = "node-1";

function endpoint(index: number, { zones, nodes, ready, leaving, local }: Shape): Endpoint {
  const named = (names: string[] | undefined) => names?.map((name) => ({ name }));
  const [forZones, forNodes] = [named(zones), named(nodes)];
  return {
    addresses: [`10.0.0.${index}`],
    nodeName: local ? NODE : "other",
    conditions: leaving
      ? { ready: false, serving: true, terminating: true }
      : { ready: ready ?? true, serving: ready ?? true, terminating: false },
    ...(forZones || forNodes
      ? { hints: { ...(forZones && { forZones }), ...(forNodes && { forNodes }) } }
      : {}),
  };
}

const sliceOf = (endpoints: Endpoint[]): EndpointSlice => ({
  metadata: { name: "s" },
  addressType: "IPv4",
  endpoints,
  ports: [{ name: "http", port: 80 }],
});

/** The last parts of the addresses that are usable. */
function chosen(shapes: Shape[], place: Partial<ClientPlace> = {}) {
  const slices = [sliceOf(shapes.map((shape, index) => endpoint(index, shape)))];
  const found = endpointsOf(
    slices,
    { name: "http", protocol: "TCP" },
    { nodeName: NODE, zone: "a", ...place },
  );
  const last = ({ address }: { address: string }) => Number(address.split(".")[3]);
  return { all: found.allEndpoints.map(last), local: found.localEndpoints.map(last) };
}

const zone = (name: string, more: Shape = {}): Shape => ({ zones: [name], ...more });
const both = (zoneName: string, node: string): Shape => ({ zones: [zoneName], nodes: [node] });

// The cases of upstream's TestCategorizeEndpoints.
describe("endpoints by hints", () => {
  const ABCA = [zone("a"), zone("b"), zone("c"), zone("a")];
  const EACH_NODE = [
    both("a", "node-1"),
    both("b", "node-2"),
    both("c", "node-3"),
    both("a", "node-4"),
  ];

  test.each<[string, Shape[], Partial<ClientPlace>, number[]]>([
    ["those of the zone, when all have hints", ABCA, {}, [0, 3]],
    ["all, when the node has no zone", [zone("a")], { zone: "" }, [0]],
    ["all, when none is for the zone", [zone("a")], { zone: "b" }, [0]],
    [
      "without one that is not ready",
      [zone("a"), zone("b"), zone("c"), zone("a", { ready: false })],
      {},
      [0],
    ],
    [
      "all that are ready, when those of the zone are not",
      [zone("a", { ready: false }), zone("b"), zone("c"), zone("a", { ready: false })],
      {},
      [1, 2],
    ],
    ["all, when one has no hint", [zone("a"), zone("b"), {}, zone("a")], {}, [0, 1, 2, 3]],
    [
      "those with the zone among several",
      [{ zones: ["a", "b", "c"] }, { zones: ["b", "c"] }, { zones: ["b", "d"] }, zone("c")],
      { zone: "c" },
      [0, 1, 3],
    ],
    ["those of the node", EACH_NODE, {}, [0]],
    [
      "all, when one has no hint of a node or zone",
      [both("a", "node-1"), {}, both("c", "node-3"), both("a", "node-4")],
      {},
      [0, 1, 2, 3],
    ],
    ["those of the zone, when none is for the node", EACH_NODE, { nodeName: "node-0" }, [0, 3]],
    [
      "those that are leaving, when none is ready, whatever their hints",
      [zone("a", { leaving: true }), zone("b", { leaving: true })],
      {},
      [0, 1],
    ],
    ["none, when none is usable", [{ ready: false }, { ready: false }], {}, []],
  ])("%s", (_name, shapes, place, wanted) => {
    expect(chosen(shapes, place).all).toEqual(wanted);
  });

  test("those of this node are chosen without them", () => {
    const shapes = [zone("a", { local: true }), zone("b", { local: true }), zone("c"), zone("a")];
    expect(chosen(shapes)).toEqual({ all: [0, 3], local: [0, 1] });
    const leaving = [
      {},
      { ready: false, local: true },
      { leaving: true, local: true },
      { leaving: true },
    ];
    expect(chosen(leaving)).toEqual({ all: [0], local: [2] });
  });

  test("of two slices with one endpoint the hints of both count", () => {
    const slices = [
      sliceOf([endpoint(0, zone("b"))]),
      sliceOf([endpoint(0, zone("a")), endpoint(1, zone("b"))]),
    ];
    const place = { nodeName: NODE, zone: "a" };
    const { allEndpoints } = endpointsOf(slices, { name: "http", protocol: "TCP" }, place);
    expect(allEndpoints).toEqual([{ address: "10.0.0.0", port: 80 }]);
  });
});

test("endpoints that no slice places on a node are unplaced, if they are used", () => {
  const { nodeName: _, ...first } = endpoint(0, zone("a"));
  const slices = [
    sliceOf([
      first,
      { ...endpoint(1, zone("a")), nodeName: "" },
      { ...endpoint(2, zone("b")), nodeName: "" },
      endpoint(3, zone("a")),
    ]),
  ];
  const port = { name: "http", protocol: "TCP" };
  const unplaced = (all: EndpointSlice[]) =>
    endpointsOf(all, port, { nodeName: NODE, zone: "a" }).unplacedEndpoints;
  const [one, two] = [0, 1].map((index) => ({ address: `10.0.0.${index}`, port: 80 }));
  expect(unplaced(slices)).toEqual([one, two]);
  expect(unplaced([...slices, sliceOf([endpoint(0, {})])])).toEqual([two]);
});

test("local endpoints are reachable, whether or not hints leave them out", () => {
  const at = (address: string) => ({ address, port: 80 });
  const port = {
    allEndpoints: [at("10.0.0.1"), at("10.0.0.2")],
    localEndpoints: [at("10.0.0.2"), at("10.0.0.3")],
  };
  expect(reachableEndpoints(port)).toEqual([at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")]);
});
