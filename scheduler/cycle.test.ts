import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { nodesToFind, schedule } from "./cycle.ts";
import { podInfo } from "./node-info.ts";
import { DEFAULT_PROFILE, pluginsOf } from "./profiles.ts";
import { node, pod, snapshot } from "./test-objects.ts";

const plugins = pluginsOf(DEFAULT_PROFILE, []);

function decide(wanted: Pod, placed: [Node, Pod[]][]): string {
  const info = podInfo(wanted);
  const random = seededRandom(1);
  const decision = schedule({ info, snapshot: snapshot(placed), plugins, random });
  return decision.kind === "placed" ? decision.node.name : decision.message;
}

describe("what a node must have", () => {
  test.each<[string, Pod, [Node, Pod[]], string]>([
    ["room", pod("p", { requests: { cpu: "1" } }), [node("n"), []], "n"],
    [
      "cpu left",
      pod("p", { requests: { cpu: "2" } }),
      [node("n", { cpu: "3" }), [pod("a", { requests: { cpu: "1500m" } })]],
      "0/1 nodes are available: 1 Insufficient cpu.",
    ],
    [
      "exactly enough is enough",
      pod("p", { requests: { cpu: "1500m" } }),
      [node("n", { cpu: "3" }), [pod("a", { requests: { cpu: "1500m" } })]],
      "n",
    ],
    [
      "several things: all are told",
      pod("p", { requests: { cpu: "9", memory: "9Gi" } }),
      [node("n"), []],
      "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
    ],
    [
      "extended resources",
      pod("p", { requests: { "example.com/gpu": "2" } }),
      [node("n", { extended: { "example.com/gpu": "1" } }), []],
      "0/1 nodes are available: 1 Insufficient example.com/gpu.",
    ],
    [
      "a place in its pod count",
      pod("p"),
      [node("n", { pods: "1" }), [pod("a")]],
      "0/1 nodes are available: 1 Too many pods.",
    ],
    [
      "its label",
      pod("p", { nodeSelector: { disk: "ssd" } }),
      [node("n", { labels: { disk: "hdd" } }), []],
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "no taint",
      pod("p"),
      [node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }), []],
      "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
    ],
    [
      "a taint it tolerates",
      pod("p", { tolerations: [{ key: "k", operator: "Equal", value: "v" }] }),
      [node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }), []],
      "n",
    ],
    [
      "not cordoned",
      pod("p"),
      [node("n", { unschedulable: true }), []],
      "0/1 nodes are available: 1 node(s) were unschedulable.",
    ],
    [
      "cordoned, but tolerated",
      pod("p", { tolerations: [{ operator: "Exists" }] }),
      [node("n", { unschedulable: true }), []],
      "n",
    ],
    [
      "its host port",
      pod("p", { hostPort: 80 }),
      [node("n"), [pod("a", { hostPort: 80 })]],
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    ],
    [
      "another host port",
      pod("p", { hostPort: 81 }),
      [node("n"), [pod("a", { hostPort: 80 })]],
      "n",
    ],
  ])("%s", (_name, wanted, placed, expected) => {
    expect(decide(wanted, [placed])).toBe(expected);
  });

  test("reasons of several nodes are counted and sorted", () => {
    const big = pod("p", { requests: { cpu: "9" } });
    const placed: [Node, Pod[]][] = [
      [node("a"), []],
      [node("b"), []],
      [node("c", { cpu: "16", unschedulable: true }), []],
    ];
    expect(decide(big, placed)).toBe(
      "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.",
    );
  });

  test("without nodes upstream's own words", () => {
    expect(decide(pod("p"), [])).toBe("no nodes available to schedule pods");
  });
});

describe("required node affinity", () => {
  type Operator = "In" | "NotIn" | "Gt" | "Exists";
  const affinity = (operator: Operator, values: string[], key = "k") => ({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
      },
    },
  });
  test.each([
    ["In", affinity("In", ["7", "8"]), true],
    ["NotIn", affinity("NotIn", ["7"]), false],
    ["Gt", affinity("Gt", ["6"]), true],
    ["Gt itself", affinity("Gt", ["7"]), false],
    ["Exists", affinity("Exists", []), true],
    ["a key that all objects have", affinity("Exists", [], "constructor"), false],
  ])("%s", (_name, wanted, fits) => {
    const labelled = node("n", { labels: { k: "7" } });
    expect(decide(pod("p", { affinity: wanted }), [[labelled, []]]) === "n").toBe(fits);
  });
});

describe("of nodes that fit, the better", () => {
  test("the emptier", () => {
    const busy = pod("a", { requests: { cpu: "2", memory: "4Gi" } });
    expect(decide(pod("p"), [[node("full"), [busy]], [node("empty"), []]])).toBe("empty");
  });

  test("the preferred by affinity", () => {
    const preference = { matchExpressions: [{ key: "k", operator: "Exists" as const }] };
    const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 100, preference }];
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    const liked = node("liked", { labels: { k: "" } });
    expect(decide(pod("p", { affinity }), [[node("a"), []], [liked, []]])).toBe("liked");
  });

  test("the one without a soft taint", () => {
    const tainted = node("a", { taints: [{ key: "k", effect: "PreferNoSchedule" }] });
    expect(decide(pod("p"), [[tainted, []], [node("b"), []]])).toBe("b");
  });

  test("the one that has the image", () => {
    const images = [{ names: ["web:1"], sizeBytes: 900 * 1024 * 1024 }];
    expect(decide(pod("p"), [[node("a"), []], [node("b", { images }), []]])).toBe("b");
  });

  test("the one where cpu and memory stay in balance", () => {
    const cpuHeavy = pod("p", { requests: { cpu: "3" } });
    const a: [Node, Pod[]] = [node("a", { cpu: "8", memory: "8Gi" }), []];
    const memoryUsed = pod("m", { requests: { memory: "3Gi" } });
    const b: [Node, Pod[]] = [node("b", { cpu: "8", memory: "8Gi" }), [memoryUsed]];
    const info = podInfo(cpuHeavy);
    const only = plugins.filter((plugin) => plugin.name === "NodeResourcesBalancedAllocation");
    const random = seededRandom(1);
    const decision = schedule({ info, snapshot: snapshot([a, b]), plugins: only, random });
    expect(decision.kind === "placed" && decision.node.name).toBe("b");
  });

  test("equals are chosen by chance, not by order", () => {
    const placed: [Node, Pod[]][] = [[node("a"), []], [node("b"), []]];
    const random = seededRandom(7);
    const chosen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const decision = schedule({
        info: podInfo(pod("p")), snapshot: snapshot(placed), plugins, random,
      });
      if (decision.kind === "placed") chosen.add(decision.node.name);
    }
    expect([...chosen].sort()).toEqual(["a", "b"]);
  });
});

test("init containers count at their worst moment, sidecars beside the rest", () => {
  const container = (name: string, cpu: string, restartPolicy?: "Always") => ({
    name,
    resources: { requests: { cpu } },
    ...(restartPolicy ? { restartPolicy } : {}),
  });
  const wanted = pod("p", {
    initContainers: [container("sidecar", "1", "Always"), container("setup", "3")],
    containers: [container("main", "1500m")],
    overhead: { cpu: "100m" },
  });
  expect(podInfo(wanted).requests.get("cpu")).toBe(4100);
});

test("large clusters are not looked through whole", () => {
  expect(nodesToFind(50)).toBe(50);
  expect(nodesToFind(1_000)).toBe(420);
  expect(nodesToFind(5_000)).toBe(500);
  expect(nodesToFind(10_000)).toBe(500);
});
