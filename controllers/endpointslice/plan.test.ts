import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { describe, expect, test } from "vitest";
import { endpointsChanged, planEndpoints } from "../endpoints/plan.ts";
import { PORTS_OF_SERVICE_MAX } from "../limits.ts";
import { planSlices, type SlicesPlan } from "./plan.ts";

interface PodShape {
  ip?: string;
  ready?: boolean;
  deleting?: boolean;
  phase?: "Running" | "Succeeded";
  /** Whether it is a mirror pod, of its node or of a user who gave it the annotation. */
  mirror?: "its node's" | "a user's";
  portName?: string;
  port?: number;
}

function pod(name: string, shape: PodShape = {}): Pod {
  const { ip = "10.0.0.1", ready = true, phase = "Running" } = shape;
  const { portName = "http", port = 8080 } = shape;
  const metadata: Pod["metadata"] = { name, namespace: "ns", uid: name, labels: { app: "web" } };
  if (shape.mirror) metadata.annotations = { "kubernetes.io/config.mirror": "x" };
  if (shape.mirror === "its node's") {
    const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "n", controller: true };
    metadata.ownerReferences = [owner];
  }
  if (shape.deleting) metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  const ports = [{ name: portName, containerPort: port }];
  return {
    metadata,
    spec: { nodeName: "n1", containers: [{ name: "c", ports }] },
    status: {
      phase,
      podIPs: ip === "" ? [] : [{ ip }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

function service(spec: Partial<NonNullable<Service["spec"]>> = {}): Service {
  return {
    metadata: { name: "web", namespace: "ns", uid: "svc", labels: { team: "a" } },
    spec: {
      selector: { app: "web" },
      clusterIP: "10.96.0.9",
      ipFamilies: ["IPv4"],
      ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }],
      ...spec,
    },
  };
}

/** The slices as they would be after a plan, as the server would return them. */
function after(existing: EndpointSlice[], plan: SlicesPlan): EndpointSlice[] {
  const made = plan.create.map((slice, index) => {
    const name = `web-${existing.length + index}`;
    return { ...slice, metadata: { ...slice.metadata, name, uid: name } };
  });
  const kept = existing
    .filter((slice) => !plan.delete.includes(slice))
    .map((slice) => plan.update.find((u) => u.metadata.uid === slice.metadata.uid) ?? slice);
  return [...kept, ...made];
}

function pods(count: number, from = 0): Pod[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    return pod(`p${number}`, { ip: `10.0.${number >> 8}.${number & 255}` });
  });
}

describe("conditions of an endpoint", () => {
  test.each([
    ["ready", {}, {}, { ready: true, serving: true, terminating: false }],
    ["not ready", { ready: false }, {}, { ready: false, serving: false, terminating: false }],
    ["leaving", { deleting: true }, {}, { ready: false, serving: true, terminating: true }],
    [
      "leaving and not ready",
      { deleting: true, ready: false },
      {},
      { ready: false, serving: false, terminating: true },
    ],
    [
      "not ready but published",
      { ready: false },
      { publishNotReadyAddresses: true },
      { ready: true, serving: false, terminating: false },
    ],
  ])("%s", (_name, shape, spec, conditions) => {
    const plan = planSlices(service(spec), [pod("a", shape)], []);
    expect(plan.create[0]?.endpoints[0]?.conditions).toEqual(conditions);
  });

  test.each([
    ["without address", { ip: "" }],
    ["ended", { phase: "Succeeded" as const }],
  ])("%s it is none", (_name, shape) => {
    const plan = planSlices(service(), [pod("a", shape)], []);
    expect(plan.create.flatMap((slice) => slice.endpoints)).toEqual([]);
    expect(planEndpoints(service(), [pod("a", shape)], undefined).subsets ?? []).toEqual([]);
  });

  test.each([
    ["a worker's", "its node's", {}, 0],
    ["the control plane's", "its node's", { "node-role.kubernetes.io/control-plane": "" }, 1],
    ["a user's, there,", "a user's", { "node-role.kubernetes.io/control-plane": "" }, 0],
  ] as const)(
    "of a static pod that is %s there are as many: %s %o %i",
    (_, mirror, labels, count) => {
      const nodeOf = (name: string): Node => ({ metadata: { name, labels }, spec: {} });
      const static_ = [pod("a", { mirror })];
      const slices = planSlices(service(), static_, [], nodeOf).create;
      expect(slices.flatMap(({ endpoints }) => endpoints)).toHaveLength(count);
      const { subsets = [] } = planEndpoints(service(), static_, undefined, nodeOf);
      expect(subsets.flatMap(({ addresses = [] }) => addresses)).toHaveLength(count);
    },
  );
});

test("the names of a pod's ports are read once, for any number of a Service's ports", () => {
  let reads = 0;
  const named = ["a", "b", "c"].map((name, at) => ({ name, containerPort: 8000 + at }));
  const one = pod("p");
  Object.defineProperty(one.spec.containers[0]!, "ports", {
    get() {
      reads++;
      return named;
    },
  });
  const ports = ["a", "b", "c", "d"].map((name, at) => ({ name, port: 80 + at, targetPort: name }));
  const [slice] = planSlices(service({ ports }), [one], []).create;
  expect(slice?.ports?.map(({ port }) => port)).toEqual([8000, 8001, 8002]);
  const [subset] = planEndpoints(service({ ports }), [one], undefined).subsets ?? [];
  expect(subset?.ports?.map(({ port }) => port)).toEqual([8000, 8001, 8002]);
  expect(reads).toBe(2);
});

test("a port of a pod without a name is not found by a name", () => {
  const [one] = pods(1);
  one!.spec.containers[0]!.ports = [{ containerPort: 8080 }];
  const ports = [{ name: "http", port: 80, targetPort: "undefined" }];
  const [slice] = planSlices(service({ ports }), [one!], []).create;
  expect(slice?.ports ?? []).toEqual([]);
});

describe("hints of an endpoint", () => {
  const MODE = "service.kubernetes.io/topology-mode";
  const near =
    (zone?: string) =>
    (name: string): Node => ({
      metadata: { name, labels: zone === undefined ? {} : { "topology.kubernetes.io/zone": zone } },
      spec: {},
    });
  const hintsFor = (of: Service, shape: PodShape = {}, zone: string | undefined = "z") =>
    planSlices(of, [pod("a", shape)], [], near(zone)).create[0]?.endpoints[0]?.hints;
  const prefers = (trafficDistribution: string) => service({ trafficDistribution });
  const inZone = { forZones: [{ name: "z" }] };
  const onNode = { forNodes: [{ name: "n1" }] };

  // Facts of upstream's tests of trafficdist.
  test.each([
    ["PreferClose", inZone, undefined],
    ["PreferSameZone", inZone, undefined],
    ["PreferSameNode", { ...inZone, ...onNode }, onNode],
    ["Nearest", undefined, undefined],
  ])("%s: %j, without a zone %j", (distribution, wanted, withoutZone) => {
    expect(hintsFor(prefers(distribution))).toEqual(wanted);
    const plan = planSlices(prefers(distribution), [pod("a")], [], near());
    expect(plan.create[0]?.endpoints[0]?.hints).toEqual(withoutZone);
  });

  test("none for one that is not ready, without the field, or with the mode Auto", () => {
    expect(hintsFor(prefers("PreferSameZone"), { ready: false })).toBeUndefined();
    expect(hintsFor(service())).toBeUndefined();
    const auto = prefers("PreferSameZone");
    auto.metadata.annotations = { [MODE]: "Auto" };
    expect(hintsFor(auto)).toBeUndefined();
    auto.metadata.annotations = { [MODE]: "Disabled" };
    expect(hintsFor(auto)).toEqual(inZone);
  });

  test("a changed or removed distribution rewrites the slices, and nothing else does", () => {
    const before = after([], planSlices(service(), [pod("a")], [], near("z")));
    const plan = planSlices(prefers("PreferSameNode"), [pod("a")], before, near("z"));
    expect(plan.update[0]?.endpoints[0]?.hints).toEqual({ ...inZone, ...onNode });
    const hinted = after(before, plan);
    expect(planSlices(prefers("PreferSameNode"), [pod("a")], hinted, near("z")).update).toEqual([]);
    const back = planSlices(service(), [pod("a")], hinted, near("z")).update;
    expect(back.map(({ endpoints }) => endpoints[0]?.hints)).toEqual([undefined]);
  });
});

describe("slices", () => {
  test("carry owner, labels, address type, resolved port, node and zone", () => {
    const zone = "topology.kubernetes.io/zone";
    const node: Node = { metadata: { name: "n1", labels: { [zone]: "z" } }, spec: {} };
    const plan = planSlices(service({ clusterIP: "None" }), [pod("a")], [], () => node);
    expect(plan.create).toHaveLength(1);
    expect(plan.create[0]).toMatchObject({
      addressType: "IPv4",
      metadata: {
        generateName: "web-",
        labels: {
          team: "a",
          "kubernetes.io/service-name": "web",
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
          "service.kubernetes.io/headless": "",
        },
        ownerReferences: [{ kind: "Service", name: "web", uid: "svc", controller: true }],
      },
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: ["10.0.0.1"], nodeName: "n1", zone: "z", targetRef: { uid: "a" } }],
    });
  });

  test("a second look changes nothing", () => {
    const many = pods(250);
    const slices = after([], planSlices(service(), many, []));
    expect(slices.map((slice) => slice.endpoints.length)).toEqual([100, 100, 50]);
    const again = planSlices(service(), many, slices);
    expect(again).toEqual({ create: [], update: [], delete: [] });
  });

  test("one new pod rewrites one slice, one lost pod too", () => {
    const slices = after([], planSlices(service(), pods(250), []));
    const more = planSlices(service(), pods(251), slices);
    expect([more.create.length, more.update.length, more.delete.length]).toEqual([0, 1, 0]);
    const less = planSlices(service(), pods(249, 1), slices);
    expect([less.create.length, less.update.length, less.delete.length]).toEqual([0, 1, 0]);
  });

  test("pods that resolve a port differently are kept apart", () => {
    const plan = planSlices(service(), [pod("a"), pod("b", { port: 9090, ip: "10.0.0.2" })], []);
    expect(plan.create.map((slice) => slice.ports[0]?.port).sort()).toEqual([8080, 9090]);
  });

  test("without pods one empty slice stays, and is used again", () => {
    const slices = after([], planSlices(service(), pods(150), []));
    const empty = after(slices, planSlices(service(), [], slices));
    expect(empty.map((slice) => slice.endpoints.length)).toEqual([0]);
    expect(planSlices(service(), [], empty)).toEqual({ create: [], update: [], delete: [] });
    const back = after(empty, planSlices(service(), pods(1), empty));
    expect(back.map((slice) => slice.endpoints.length)).toEqual([1]);
  });

  test("a changed label of the Service reaches its slices", () => {
    const slices = after([], planSlices(service(), pods(1), []));
    const renamed = service();
    renamed.metadata.labels = { team: "b" };
    const plan = planSlices(renamed, pods(1), slices);
    expect(plan.update[0]?.metadata.labels?.["team"]).toBe("b");
  });
});

describe("Endpoints", () => {
  test("ready and not ready addresses, ports resolved; stable at a second look", () => {
    const unready = pod("c", { ip: "10.0.0.3", ready: false });
    const some = [pod("b", { ip: "10.0.0.2" }), pod("a"), unready];
    const planned = planEndpoints(service(), some, undefined);
    expect(planned.subsets).toMatchObject([
      {
        addresses: [{ ip: "10.0.0.1" }, { ip: "10.0.0.2" }],
        notReadyAddresses: [{ ip: "10.0.0.3" }],
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      },
    ]);
    const again = planEndpoints(service(), some.reverse(), planned);
    expect(endpointsChanged(planned, again)).toBe(false);
  });

  test("leaving pods are out, unless published", () => {
    const leaving = [pod("a", { deleting: true })];
    expect(planEndpoints(service(), leaving, undefined).subsets).toEqual([]);
    const publishing = service({ publishNotReadyAddresses: true });
    const published = planEndpoints(publishing, leaving, undefined);
    expect(published.subsets).toHaveLength(1);
  });

  test("more than a thousand are cut off and marked", () => {
    const planned = planEndpoints(service(), pods(1_200), undefined);
    expect(planned.subsets?.[0]?.addresses).toHaveLength(1_000);
    expect(planned.metadata.annotations).toEqual({
      "endpoints.kubernetes.io/over-capacity": "truncated",
    });
  });
});

test("pods that each offer thousands of ports by other numbers do not multiply a Service's", () => {
  const others = Array.from({ length: 9_999 }, (_, at) => ({ name: `p${at}`, port: at + 1 }));
  const wide = service({ ports: [{ name: "own", port: 10_000, targetPort: "http" }, ...others] });
  const many = Array.from({ length: 15 }, (_, at) =>
    pod(`p${at}`, { ip: `10.0.0.${at + 1}`, port: 1_000 + at }),
  );
  const { create, leftOut } = planSlices(wide, many, []);
  const ports = create.reduce((all, slice) => all + slice.ports!.length, 0);
  expect([ports, leftOut]).toEqual([PORTS_OF_SERVICE_MAX, 5]);
  const { subsets = [], metadata } = planEndpoints(wide, many, undefined);
  expect(subsets).toHaveLength(create.length);
  expect(Object.values(metadata.annotations!)).toEqual(["truncated"]);
  // Those of one list are not left out.
  const same = many.map((each, at) => pod(each.metadata.name!, { ip: `10.0.0.${at + 1}` }));
  const { create: one } = planSlices(wide, same, []);
  expect(one.map(({ endpoints }) => endpoints.length)).toEqual([15]);
});
