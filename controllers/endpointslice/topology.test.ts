import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { describe, expect, test } from "vitest";
import { planSlices, type SlicesPlan } from "./plan.ts";
import { hintSlices, isMoved, zoneShares } from "./topology.ts";
import { TopologyHints } from "./topology-hints.ts";

const ZONE = "topology.kubernetes.io/zone";

type NodeShape = { cpu?: string; ready?: boolean; labels?: Record<string, string> };

let nodes_made = 0;
function node(zone: string, { cpu = "1", ready = true, labels = {} }: NodeShape = {}): Node {
  return {
    metadata: { name: `n${nodes_made++}`, labels: { ...labels, ...(zone && { [ZONE]: zone }) } },
    spec: {},
    status: {
      ...(cpu === "" ? {} : { allocatable: { cpu } }),
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

const CONTROL_PLANE = { labels: { "node-role.kubernetes.io/control-plane": "" } };

// The cases of upstream's TestSetNodes.
describe("shares of zones", () => {
  test.each<[string, Node[], Record<string, number> | undefined]>([
    ["no node", [], undefined],
    ["one zone", [node("a"), node("a")], undefined],
    ["two zones", [node("a"), node("b")], { a: 0.5, b: 0.5 }],
    ["a zone whose node is not ready", [node("a", { ready: false }), node("b")], undefined],
    ["a zone of the control plane", [node("a"), node("b", CONTROL_PLANE)], undefined],
    [
      "a node that is not ready",
      [node("a"), node("b"), node("b", { ready: false })],
      { a: 0.5, b: 0.5 },
    ],
    [
      "a node of the control plane",
      [node("a"), node("b"), node("b", CONTROL_PLANE)],
      { a: 0.5, b: 0.5 },
    ],
    ["a node without a zone", [node("a"), node("b"), node("")], undefined],
    ["a node without CPU", [node("a"), node("b"), node("b", { cpu: "" })], undefined],
    [
      "zones of other sizes",
      [
        node("a", { cpu: "5" }),
        node("b", { cpu: "3" }),
        node("b", { cpu: "1500m" }),
        node("c", { cpu: "500m" }),
      ],
      { a: 0.5, b: 0.45, c: 0.05 },
    ],
  ])("%s", (_name, all, wanted) => {
    const shares = zoneShares(all);
    expect(shares && Object.fromEntries(shares)).toEqual(wanted);
  });

  test("change with readiness, zone and CPU of a node alone", () => {
    const before = node("a");
    expect(isMoved({ ...before, metadata: { ...before.metadata, name: "x" } }, before)).toBe(false);
    expect(isMoved(node("b"), before)).toBe(true);
    expect(isMoved(node("a", { ready: false }), before)).toBe(true);
    expect(isMoved(node("a", { cpu: "2" }), before)).toBe(true);
  });
});

const endpoint = (zone: string | undefined, ready: boolean | undefined = true): Endpoint => ({
  addresses: ["10.0.0.1"],
  ...(zone && { zone }),
  ...(ready === undefined ? {} : { conditions: { ready } }),
});
const slice = (...endpoints: Endpoint[]): EndpointSlice => ({
  metadata: { name: "s" },
  addressType: "IPv4",
  endpoints,
  ports: [],
});
const inZones = (zones: string) => slice(...[...zones].map((zone) => endpoint(zone)));
const hintsOf = (slices: readonly EndpointSlice[]) =>
  slices.map(({ endpoints }) =>
    (endpoints ?? [])
      .map(({ hints }) => hints?.forZones?.map(({ name }) => name).join() ?? "-")
      .join(""),
  );
const hinted = (zones: string, hints: string): EndpointSlice =>
  slice(
    ...[...zones].map((zone, index) => ({
      ...endpoint(zone),
      hints: { forZones: [{ name: hints[index]! }] },
    })),
  );

// The cases of upstream's TestAddHints, Test_redistributeHints and Test_getHintsByZone.
describe("hints of slices", () => {
  const THREE = { a: 0.35, b: 0.35, c: 0.3 };
  const shares = (of: Record<string, number>) => new Map(Object.entries(of));

  test.each<[string, Record<string, number> | undefined, string[], string]>([
    [
      "no node is known",
      undefined,
      ["a"],
      "Insufficient Node information: " +
        "allocatable CPU or zone not specified on one or more nodes",
    ],
    [
      "fewer endpoints than zones",
      { a: 0.3, b: 0.4, c: 0.3 },
      ["ab"],
      "Insufficient number of endpoints (2 endpoints, 3 zones)",
    ],
    [
      "too few for each zone",
      { a: 0.1, b: 0.9 },
      ["ab"],
      "Unable to allocate minimum required endpoints to each zone " +
        "without exceeding overload threshold (2 endpoints, 2 zones)",
    ],
  ])("are none when %s", (_name, of, create, refusal) => {
    const found = hintSlices(
      { create: create.map(inZones), update: [], unchanged: [] },
      of && shares(of),
    );
    expect(found.refusal).toBe(refusal);
    expect(hintsOf(found.create)).toEqual(["-".repeat(create[0]!.length)]);
  });

  test("are none when an endpoint has no zone, and those of other slices are removed", () => {
    const given = {
      create: [slice(endpoint("a"), endpoint(undefined))],
      update: [],
      unchanged: [hinted("ab", "ab"), slice()],
    };
    const found = hintSlices(given, shares({ a: 0.5, b: 0.5 }));
    expect(found.refusal).toBe("One or more endpoints do not have a zone specified");
    expect([hintsOf(found.create), hintsOf(found.update)]).toEqual([["--"], ["--"]]);
  });

  test("are of the endpoint's own zone, without those that are not ready", () => {
    const given = slice(endpoint("a"), endpoint("b"), endpoint("b", false), {
      addresses: ["x"],
      zone: "b",
    });
    const found = hintSlices(
      { create: [given], update: [], unchanged: [] },
      shares({ a: 0.45, b: 0.55 }),
    );
    expect(hintsOf(found.create)).toEqual(["ab--"]);
  });

  test("are moved to a zone that lacks endpoints", () => {
    const found = hintSlices(
      {
        create: [inZones("ab"), inZones("cca")],
        update: [inZones("aa"), inZones("bca")],
        unchanged: [],
      },
      shares(THREE),
    );
    expect(hintsOf(found.create)).toEqual(["bb", "cca"]);
    expect(hintsOf(found.update)).toEqual(["aa", "bca"]);
  });

  test("are shared by all zones, when all endpoints are in one", () => {
    const found = hintSlices(
      { create: [inZones("aaaaaaaaaa")], update: [], unchanged: [] },
      shares(THREE),
    );
    const [hints = ""] = hintsOf(found.create);
    expect([..."abc"].map((zone) => [...hints].filter((each) => each === zone).length)).toEqual([
      4, 3, 3,
    ]);
  });

  test("stay in slices that are not written, while no zone has too many", () => {
    const half = shares({ a: 0.5, b: 0.5 });
    const stays = { create: [], update: [], unchanged: [hinted("aaab", "aabb")] };
    expect(hintSlices(stays, half)).toEqual({ create: [], update: [] });
    const before = hinted("aaab", "aaaa");
    expect(hintsOf(hintSlices({ ...stays, unchanged: [before] }, half).update)).toEqual(["baab"]);
    expect(hintsOf([before])).toEqual(["aaaa"]);
    const gone = { ...stays, unchanged: [hinted("aabb", "aabz")] };
    expect(hintsOf(hintSlices(gone, half).update)).toEqual(["aabb"]);
  });
});

describe("a Service of the mode Auto", () => {
  const zones = ["a", "b"];
  const nodes = zones.map((zone) => node(zone));
  const nodeOf = (name: string) => nodes.find(({ metadata }) => metadata.name === name);
  const pod = (index: number): Pod => ({
    metadata: { namespace: "n", name: `p${index}`, uid: `p${index}`, labels: { app: "w" } },
    spec: { nodeName: nodes[index % 2]!.metadata.name!, containers: [] },
    status: {
      phase: "Running",
      podIPs: [{ ip: `10.0.0.${index}` }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  });
  const pods = [1, 2, 3, 4].map(pod);
  const service = (mode?: string): Service => ({
    metadata: {
      namespace: "n",
      name: "w",
      uid: "w",
      ...(mode && { annotations: { "service.kubernetes.io/topology-mode": mode } }),
    },
    spec: {
      selector: { app: "w" },
      ipFamilies: ["IPv4"],
      ports: [{ port: 80, targetPort: 8080 }],
      trafficDistribution: "PreferSameNode",
    },
  });
  const stored = ({ create, update }: SlicesPlan) =>
    [...create, ...update].map((each, index) => ({
      ...each,
      metadata: { ...each.metadata, name: `s${index}`, uid: `s${index}` },
    }));
  const look = (hints: TopologyHints, of: Service, from: readonly Pod[], before: EndpointSlice[]) =>
    hints.apply("n/w", of, before, planSlices(of, from, before, nodeOf));

  test("has hints, and says once that it has; without the annotation they go", () => {
    const topology = new TopologyHints(() => nodes);
    const first = look(topology, service("Auto"), pods, []);
    expect(hintsOf(first.plan.create)).toEqual(["baba"]);
    expect(first.notes).toEqual([
      {
        type: "Normal",
        reason: "TopologyAwareHintsEnabled",
        message: "Topology Aware Hints has been enabled, addressType: IPv4",
      },
    ]);
    const before = stored(first.plan);
    const again = look(topology, service("Auto"), pods, before);
    expect(again).toEqual({ plan: { create: [], update: [], delete: [] }, notes: [] });
    const without = { ...service(), spec: { ...service().spec!, trafficDistribution: undefined } };
    const off = look(topology, without as Service, pods, before);
    expect(hintsOf(off.plan.update)).toEqual(["----"]);
    expect(off.notes.map(({ message }) => message)).toEqual([
      "Topology Aware Hints has been disabled, addressType: IPv4",
    ]);
  });

  test("loses its hints when a zone goes, and has them again", () => {
    let known = nodes;
    const topology = new TopologyHints(() => known);
    const before = stored(look(topology, service("auto"), pods, []).plan);
    known = nodes.slice(0, 1);
    topology.moved();
    const { plan, notes } = look(topology, service("auto"), pods, before);
    expect(hintsOf(plan.update)).toEqual(["----"]);
    expect(notes.map(({ reason }) => reason)).toEqual(["TopologyAwareHintsDisabled"]);
    known = nodes;
    topology.moved();
    expect(hintsOf(look(topology, service("auto"), pods, stored(plan)).plan.update)).toEqual([
      "baba",
    ]);
  });
});
