import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { NO_WORKLOADS, node, pod, snapshot } from "../testing/objects.ts";
import { defaultConstraints, type Workloads } from "./default-spread.ts";
import { topologySpread } from "./topology-spread.ts";

const ZONE = "topology.kubernetes.io/zone";
const IMAGE = { names: ["web:1"], sizeBytes: 900 * 1024 * 1024 };

const replicaSet: ReplicaSet = {
  metadata: { name: "web", namespace: "default" },
  spec: { selector: { matchLabels: { app: "web" } } },
};
const WEB: Workloads = { ...NO_WORKLOADS, replicaSets: new Map([["default/web", replicaSet]]) };

function service(name: string, selector?: Record<string, string>): Service {
  return { metadata: { name, namespace: "default" }, spec: selector ? { selector } : {} };
}

function owned(name: string, labels: Record<string, string> = { app: "web" }, kind = "ReplicaSet") {
  const made = pod(name, { labels });
  const apiVersion = kind === "ReplicationController" ? "v1" : "apps/v1";
  const owner = { apiVersion, kind, name: "web", uid: "u", controller: true };
  return { ...made, metadata: { ...made.metadata, ownerReferences: [owner] } };
}

/** Schedules `pods` one after another and returns how many each node then has. */
function placements(nodes: readonly Node[], pods: readonly Pod[], workloads: Workloads) {
  const placed: [Node, Pod[]][] = nodes.map((each) => [each, []]);
  const framework = frameworkOf(DEFAULT_PROFILE, [topologySpread(workloads)]);
  const random = seededRandom(1);
  for (const each of pods) {
    const info = podInfo(each);
    const result = schedulePod({ info, snapshot: snapshot(placed), framework, random });
    if (result.kind !== "scheduled") throw new Error(result.message);
    placed.find(([{ metadata }]) => metadata.name === result.suggestedHost.name)?.[1].push(each);
  }
  return placed.map(([, some]) => some.length);
}

const nine = Array.from({ length: 9 }, (_, index) => owned(`web-${index}`));

describe("pods without constraints", () => {
  const three = [node("a", { images: [IMAGE] }), node("b"), node("c")];

  test("of one ReplicaSet are spread over nodes, although one node has the image", () => {
    expect(placements(three, nine, WEB)).toEqual([3, 3, 3]);
  });

  test("of no workload go where their image is", () => {
    const loose = nine.map(({ metadata: { name = "" } }) => pod(name, { labels: { app: "web" } }));
    expect(placements(three, loose, WEB)[0]).toBeGreaterThan(3);
  });

  test("are spread over zones too", () => {
    const zoned = (name: string, zone: string) => node(name, { labels: { [ZONE]: zone } });
    const nodes = [zoned("a", "x"), zoned("b", "x"), zoned("c", "x"), zoned("d", "y")];
    const [a = 0, b = 0, c = 0, d = 0] = placements(nodes, nine, WEB);
    expect(a + b + c + d).toBe(9);
    expect(d).toBeGreaterThan(Math.max(a, b, c));
  });

  test("rank a node without the zone's label beside the others", () => {
    const nodes = [node("a", { labels: { [ZONE]: "x" } }), node("b")];
    const [a = 0, b = 0] = placements(nodes, nine, WEB);
    expect(Math.min(a, b)).toBeGreaterThan(0);
  });
});

describe("the selector of the defaults", () => {
  const selector = (one: Pod, workloads: Workloads) =>
    defaultConstraints(one, workloads)[0]?.labelSelector;
  const app = { key: "app", operator: "In", values: ["web"] };

  test("two constraints, for nodes and zones, which reject no node", () => {
    const shape = defaultConstraints(owned("p"), WEB).map((each) => {
      return [each.topologyKey, each.maxSkew, each.whenUnsatisfiable];
    });
    expect(shape).toEqual([
      ["kubernetes.io/hostname", 3, "ScheduleAnyway"],
      [ZONE, 5, "ScheduleAnyway"],
    ]);
  });

  test("is that of the controller", () => {
    expect(selector(owned("p"), WEB)).toEqual({ matchLabels: {}, matchExpressions: [app] });
    const sets = {
      ...NO_WORKLOADS,
      statefulSets: new Map([
        [
          "default/web",
          {
            metadata: {},
            spec: { serviceName: "web", selector: replicaSet.spec?.selector ?? {}, template: {} },
          },
        ],
      ]),
    };
    const ofSet = owned("p", { app: "web" }, "StatefulSet");
    expect(selector(ofSet, sets)?.matchExpressions).toEqual([app]);
    const controllers = {
      ...NO_WORKLOADS,
      replicationControllers: new Map([
        ["default/web", { metadata: {}, spec: { selector: { app: "web" } } }],
      ]),
    };
    const ofController = owned("p", { app: "web" }, "ReplicationController");
    expect(selector(ofController, controllers)?.matchExpressions).toEqual([app]);
  });

  test("joins those of all Services of the pod, and of no other", () => {
    const all = [service("a", { app: "web" }), service("b", { tier: "front" })];
    const others = [service("headless"), service("c", { app: "db" })];
    const services = () => [...all, ...others];
    const one = owned("p", { app: "web", tier: "front" });
    expect(selector(one, { ...NO_WORKLOADS, services })).toEqual({
      matchLabels: { app: "web", tier: "front" },
      matchExpressions: [],
    });
    expect(selector(one, { ...WEB, services })?.matchExpressions).toEqual([app]);
  });

  test("without Service and controller there is none, nor for an unknown controller", () => {
    expect(defaultConstraints(pod("p"), WEB)).toEqual([]);
    expect(defaultConstraints(owned("p", {}, "Job"), WEB)).toEqual([]);
    expect(defaultConstraints(owned("p"), NO_WORKLOADS)).toEqual([]);
  });
});
