import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { LISTED_MAX } from "@raft2kube/std/limits.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { numFeasibleNodesToFind, schedulePod } from "./cycle.ts";
import { Framework } from "./framework/framework.ts";
import { podInfo } from "./node-info.ts";
import { balancedAllocation } from "./plugins/balanced-allocation.ts";
import { DEFAULT_PROFILE, frameworkOf } from "./profiles.ts";
import { node, pod, snapshot } from "./testing/objects.ts";

const framework = frameworkOf(DEFAULT_PROFILE, []);

function decide(wanted: Pod, placed: [Node, Pod[]][]): string {
  const info = podInfo(wanted);
  const random = seededRandom(1);
  const decision = schedulePod({ info, snapshot: snapshot(placed), framework, random });
  return decision.kind === "scheduled" ? decision.suggestedHost.name : decision.message;
}

describe("filters", () => {
  test.each<[string, Pod, [Node, Pod[]], string]>([
    ["enough of every resource", pod("p", { requests: { cpu: "1" } }), [node("n"), []], "n"],
    [
      "insufficient cpu",
      pod("p", { requests: { cpu: "2" } }),
      [node("n", { cpu: "3" }), [pod("a", { requests: { cpu: "1500m" } })]],
      "0/1 nodes are available: 1 Insufficient cpu.",
    ],
    [
      "exactly enough cpu",
      pod("p", { requests: { cpu: "1500m" } }),
      [node("n", { cpu: "3" }), [pod("a", { requests: { cpu: "1500m" } })]],
      "n",
    ],
    [
      "several insufficient resources: the message has all",
      pod("p", { requests: { cpu: "9", memory: "9Gi" } }),
      [node("n"), []],
      "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
    ],
    [
      "insufficient extended resources",
      pod("p", { requests: { "example.com/gpu": "2" } }),
      [node("n", { extended: { "example.com/gpu": "1" } }), []],
      "0/1 nodes are available: 1 Insufficient example.com/gpu.",
    ],
    [
      "too many pods",
      pod("p"),
      [node("n", { pods: "1" }), [pod("a")]],
      "0/1 nodes are available: 1 Too many pods.",
    ],
    [
      "a missing label",
      pod("p", { nodeSelector: { disk: "ssd" } }),
      [node("n", { labels: { disk: "hdd" } }), []],
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "an untolerated taint",
      pod("p"),
      [node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }), []],
      "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
    ],
    [
      "a tolerated taint",
      pod("p", { tolerations: [{ key: "k", operator: "Equal", value: "v" }] }),
      [node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }), []],
      "n",
    ],
    [
      "a taint that an empty operator tolerates as Equal does",
      pod("p", { tolerations: [{ key: "k", operator: "" as "Equal", value: "v" }] }),
      [node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }), []],
      "n",
    ],
    [
      "a cordoned node",
      pod("p"),
      [node("n", { unschedulable: true }), []],
      "0/1 nodes are available: 1 node(s) were unschedulable.",
    ],
    [
      "a cordoned node with a toleration",
      pod("p", { tolerations: [{ operator: "Exists" }] }),
      [node("n", { unschedulable: true }), []],
      "n",
    ],
    [
      "a default runtime handler without user namespaces",
      pod("p", { hostUsers: false }),
      [node("n", { handlers: { "": false, other: true } }), []],
      "0/1 nodes are available: 1 node(s) didn't have user namespaces for hostUsers: false.",
    ],
    [
      "a default runtime handler with user namespaces",
      pod("p", { hostUsers: false }),
      [node("n", { handlers: { "": true, other: false } }), []],
      "n",
    ],
    [
      "a RuntimeClass, whose handler may have user namespaces",
      pod("p", { hostUsers: false, runtimeClassName: "c" }),
      [node("n", { handlers: { "": false, other: true } }), []],
      "n",
    ],
    [
      "a RuntimeClass where no handler has user namespaces",
      pod("p", { hostUsers: false, runtimeClassName: "c" }),
      [node("n", { handlers: { "": false } }), []],
      "0/1 nodes are available: 1 node(s) didn't have user namespaces for hostUsers: false.",
    ],
    ["a node that reports no handlers", pod("p", { hostUsers: false }), [node("n"), []], "n"],
    [
      "the node's users, which need no user namespace",
      pod("p"),
      [node("n", { handlers: { "": false } }), []],
      "n",
    ],
    [
      "a used host port",
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

  test("reasons are counted over the nodes and sorted", () => {
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

  test("a pod's thousands of resources are neither kept for each node nor in one message", () => {
    const names = Array.from({ length: 1_000 }, (_, at) => `example.com/${at}`);
    const wanted = pod("p", { requests: Object.fromEntries(names.map((name) => [name, "1"])) });
    const placed = [node("a"), node("b")].map((each): [Node, Pod[]] => [each, []]);
    const decision = schedulePod({
      info: podInfo(wanted),
      snapshot: snapshot(placed),
      framework,
      random: seededRandom(1),
    });
    if (decision.kind === "scheduled") throw new Error("the pod fits");
    expect(decision.message).toMatch(/^0\/2 .*: 2 Insufficient example.com\/0, .*, 1 more\.$/);
    expect(decision.nodeToStatus.get("a")?.reasons).toHaveLength(LISTED_MAX + 1);
  });

  test("without nodes the message is upstream's", () => {
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

describe("scores", () => {
  test("the node with fewer requests wins", () => {
    const busy = pod("a", { requests: { cpu: "2", memory: "4Gi" } });
    expect(
      decide(pod("p"), [
        [node("full"), [busy]],
        [node("empty"), []],
      ]),
    ).toBe("empty");
  });

  test("preferred node affinity wins", () => {
    const preference = { matchExpressions: [{ key: "k", operator: "Exists" as const }] };
    const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 100, preference }];
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    const liked = node("liked", { labels: { k: "" } });
    expect(
      decide(pod("p", { affinity }), [
        [node("a"), []],
        [liked, []],
      ]),
    ).toBe("liked");
  });

  test("the node without a PreferNoSchedule taint wins", () => {
    const tainted = node("a", { taints: [{ key: "k", effect: "PreferNoSchedule" }] });
    expect(
      decide(pod("p"), [
        [tainted, []],
        [node("b"), []],
      ]),
    ).toBe("b");
  });

  test("the node that has the image wins", () => {
    const images = [{ names: ["web:1"], sizeBytes: 900 * 1024 * 1024 }];
    expect(
      decide(pod("p"), [
        [node("a"), []],
        [node("b", { images }), []],
      ]),
    ).toBe("b");
  });

  test("the node where cpu and memory stay balanced wins", () => {
    const cpuHeavy = pod("p", { requests: { cpu: "3" } });
    const a: [Node, Pod[]] = [node("a", { cpu: "8", memory: "8Gi" }), []];
    const memoryUsed = pod("m", { requests: { memory: "3Gi" } });
    const b: [Node, Pod[]] = [node("b", { cpu: "8", memory: "8Gi" }), [memoryUsed]];
    const info = podInfo(cpuHeavy);
    const only = new Framework([balancedAllocation]);
    const random = seededRandom(1);
    const decision = schedulePod({ info, snapshot: snapshot([a, b]), framework: only, random });
    expect(decision.kind === "scheduled" && decision.suggestedHost.name).toBe("b");
  });

  test("the node whose balance improves wins over one that is balanced", () => {
    const improved = node("improved", { cpu: "8", memory: "8Gi" });
    const placed: [Node, Pod[]][] = [
      [node("even", { cpu: "8", memory: "8Gi" }), []],
      [improved, [pod("m", { requests: { memory: "6Gi" } })]],
    ];
    const decision = schedulePod({
      info: podInfo(pod("p", { requests: { cpu: "1" } })),
      snapshot: snapshot(placed),
      framework: new Framework([balancedAllocation]),
      random: seededRandom(1),
    });
    expect(decision).toMatchObject({ suggestedHost: { name: "improved" } });
    const { state } = decision;
    const scores = snapshot(placed).nodes.map((each) =>
      balancedAllocation.score(state, podInfo(pod("p", { requests: { cpu: "1" } })), each),
    );
    expect(scores).toEqual([71, 78]);
  });

  test("the node that has the image of a volume wins", () => {
    const images = [{ names: ["data:1"], sizeBytes: 900 * 1024 * 1024 }];
    const volumes = [{ name: "v", image: { reference: "data:1" } }];
    expect(
      decide(pod("p", { volumes }), [
        [node("a", { images }), []],
        [node("b"), []],
      ]),
    ).toBe("a");
  });

  test("one of several nodes with equal scores is picked at random", () => {
    const placed: [Node, Pod[]][] = [
      [node("a"), []],
      [node("b"), []],
    ];
    const random = seededRandom(7);
    const chosen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const decision = schedulePod({
        info: podInfo(pod("p")),
        snapshot: snapshot(placed),
        framework,
        random,
      });
      if (decision.kind === "scheduled") chosen.add(decision.suggestedHost.name);
    }
    expect([...chosen].sort()).toEqual(["a", "b"]);
  });
});

test("requests are the highest sum of init containers, sidecars and containers", () => {
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

test("only a share of a large cluster is evaluated", () => {
  expect(numFeasibleNodesToFind(50)).toBe(50);
  expect(numFeasibleNodesToFind(1_000)).toBe(420);
  expect(numFeasibleNodesToFind(5_000)).toBe(500);
  expect(numFeasibleNodesToFind(10_000)).toBe(500);
});

describe("a pod that names its nodes, as a DaemonSet's does", () => {
  const named = (...terms: string[][]) => ({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: terms.map((names) => ({
          matchFields: names.map((name) => ({
            key: "metadata.name",
            operator: "In" as const,
            values: [name],
          })),
        })),
      },
    },
  });
  const nodes = snapshot(["a", "b", "c"].map((name) => [node(name, { cpu: "1" }), []]));
  const looked: string[] = [];
  const counter = {
    name: "Counter",
    events: [],
    filter: (_state: unknown, _info: unknown, { name }: { name: string }) => void looked.push(name),
  };
  const counting = frameworkOf(DEFAULT_PROFILE, [counter]);
  const place = (shape: Parameters<typeof pod>[1]) => {
    const random = seededRandom(1);
    const info = podInfo(pod("p", shape));
    return schedulePod({ info, snapshot: nodes, framework: counting, random });
  };

  test("is filtered on these alone", () => {
    looked.length = 0;
    const decision = place({ affinity: named(["c"]) });
    expect(decision).toMatchObject({ suggestedHost: { name: "c" }, evaluatedNodes: 1 });
    place({ affinity: named(["a"], ["c"], ["gone"]) });
    expect(looked).toEqual(["c", "a", "c"]);
  });

  test.each([
    [[["b"]], "1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."],
    [[["gone"]], "3 node(s) didn't satisfy plugin(s) [NodeAffinity]."],
    [[["a", "b"]], "pod affinity terms conflict."],
    [[["a"], []], "1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector."],
  ])("%j fits nowhere: %s", (terms, message) => {
    const decision = place({ requests: { cpu: "2" }, affinity: named(...terms) });
    const unschedulablePlugins = expect.toSatisfy((plugins: Set<string>) => plugins.size > 0);
    const expected = { message: `0/3 nodes are available: ${message}`, unschedulablePlugins };
    expect(decision).toMatchObject(expected);
  });
});
