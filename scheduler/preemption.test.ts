import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { schedulePod } from "./cycle.ts";
import { violatingBudgets } from "./disruption-budgets.ts";
import { podInfo } from "./node-info.ts";
import { Nominator } from "./nominator.ts";
import { topologySpread } from "./plugins/topology-spread.ts";
import { findCandidate } from "./preemption.ts";
import { DEFAULT_PROFILE, frameworkOf } from "./profiles.ts";
import { NO_WORKLOADS, node, pod, resultOf, snapshot } from "./testing/objects.ts";
import { failedCycle, preemptionAfter } from "./testing/preemption.ts";

const framework = frameworkOf(DEFAULT_PROFILE, [topologySpread(NO_WORKLOADS)]);

function sized(name: string, cpu: string, priority: number, shape: object = {}): Pod {
  return pod(name, { requests: { cpu }, priority, ...shape });
}

function candidate(
  wanted: Pod,
  placed: [Node, Pod[]][],
  budgets: readonly PodDisruptionBudget[] = [],
  nominator = new Nominator(),
): string | undefined {
  const budgetsOf = (namespace: string) =>
    budgets.filter(({ metadata }) => metadata.namespace === namespace);
  const failed = failedCycle(framework, wanted, snapshot(placed), budgetsOf, nominator);
  if (!failed) throw new Error("it fits without preemption");
  const { candidate: found } = preemptionAfter(failed);
  return found && `${found.node}: ${found.victims.map((v) => v.pod.metadata.name).join(" ")}`;
}

const high = sized("high", "2", 100);

test("selects no more victims than needed, the least important first", () => {
  const there = [sized("a", "1", 1), sized("b", "1", 2), sized("c", "1", 3), sized("d", "1", 4)];
  expect(candidate(high, [[node("n", { cpu: "4" }), there]])).toBe("n: b a");
});

test("pods of the same or a higher priority are never victims", () => {
  const there = [sized("a", "2", 100), sized("b", "2", 200)];
  expect(candidate(high, [[node("n", { cpu: "4" }), there]])).toBeUndefined();
});

test("the node with the lowest victim priorities wins, then the fewest victims", () => {
  const full = (name: string, ...pods: Pod[]): [Node, Pod[]] => [node(name, { cpu: "2" }), pods];
  const important = full("x", sized("x", "2", 50));
  const two = full("y", sized("y", "1", 5), sized("y2", "1", 5));
  const one = full("z", sized("z", "2", 5));
  expect(candidate(high, [important, two])).toBe("y: y y2");
  expect(candidate(high, [important, two, one])).toBe("z: z");
});

test("of many nodes a part is looked at, from the given one on", () => {
  const nodes = Array.from({ length: 150 }, (_, at): [Node, Pod[]] => {
    return [node(`n${at}`, { cpu: "2" }), [sized(`p${at}`, "2", at === 119 ? 1 : 2)]];
  });
  const failed = failedCycle(framework, high, snapshot(nodes))!;
  const found = (first: number) => {
    const { candidate } = resultOf(findCandidate({ ...failed.input, first }));
    return candidate?.node;
  };
  expect([found(100), found(120)]).toEqual(["n119", "n120"]);
});

test("negative priorities do not make more victims the better choice", () => {
  const two: [Node, Pod[]] = [node("y", { cpu: "2" }), [sized("y", "1", -5), sized("y2", "1", -5)]];
  const one: [Node, Pod[]] = [node("z", { cpu: "2" }), [sized("z", "2", -5)]];
  expect(candidate(high, [two, one])).toBe("z: z");
});

test("of equal victims the most important ones that started last are chosen", () => {
  const at = (pod: Pod, startTime: string): Pod => ({ ...pod, status: { startTime } });
  const full = (name: string, important: string, other: string): [Node, Pod[]] => [
    node(name, { cpu: "2" }),
    [at(sized(name, "1", 9), important), at(sized(`${name}2`, "1", 1), other)],
  ];
  const early = full("y", "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z");
  const late = full("z", "2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z");
  expect(candidate(high, [early, late])).toBe("z: z z2");
});

describe("PodDisruptionBudgets", () => {
  const budget = (disruptionsAllowed: number, more: object = {}): PodDisruptionBudget => ({
    metadata: { name: "keep", namespace: "default" },
    spec: { selector: { matchLabels: { app: "kept" } } },
    status: { disruptionsAllowed, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2, ...more },
  });
  const labels = { app: "kept" };
  const kept = (name: string, priority: number) => sized(name, "1", priority, { labels });
  const places: [Node, Pod[]][] = [
    [node("y", { cpu: "2" }), [kept("y", 1), sized("y2", "1", 1)]],
    [node("z", { cpu: "2" }), [sized("z", "1", 50), sized("z2", "1", 50)]],
  ];

  test("a node whose victims break none comes before one of less important victims", () => {
    expect(candidate(high, places)).toBe("y: y y2");
    expect(candidate(high, places, [budget(0)])).toBe("z: z z2");
  });

  test("a node whose victims break none is found behind many that break one", () => {
    const many = Array.from({ length: 101 }, (_, at): [Node, Pod[]] => {
      return [node(`n${at}`, { cpu: "2" }), [sized(`p${at}`, "2", 1, { labels })]];
    });
    const last: [Node, Pod[]] = [node("last", { cpu: "2" }), [sized("z", "2", 1)]];
    expect(candidate(high, [...many, last], [budget(0)])).toBe("last: z");
  });

  test("one that allows a disruption is not broken by it", () => {
    expect(candidate(high, places, [budget(1)])).toBe("y: y y2");
  });

  test("pods that one protects stay before more important ones", () => {
    const there = [kept("a", 1), sized("b", "1", 5), sized("c", "1", 5)];
    const asking = sized("high", "1", 100);
    const full: [Node, Pod[]] = [node("n", { cpu: "3" }), there];
    expect(candidate(asking, [full])).toBe("n: a");
    expect(candidate(asking, [full], [budget(0)])).toBe("n: c");
  });

  test("of pods that one protects, those beyond its disruptions stay first", () => {
    const there = [kept("a", 2), kept("b", 1)];
    const asking = sized("high", "1", 100);
    const full: [Node, Pod[]] = [node("n", { cpu: "2" }), there];
    expect(candidate(asking, [full], [budget(1)])).toBe("n: a");
    expect(candidate(asking, [full], [budget(1, { disruptedPods: { a: "" } })])).toBe("n: b");
  });

  test("a victim that was beyond the disruptions breaks it, also where it is the only one", () => {
    const large = sized("large", "2", 1, { labels });
    const y: [Node, Pod[]] = [node("y", { cpu: "3" }), [kept("first", 2), large]];
    const z: [Node, Pod[]] = [node("z", { cpu: "2" }), [sized("z", "2", 50)]];
    expect(candidate(high, [y, z])).toBe("y: large");
    expect(candidate(high, [y, z], [budget(1)])).toBe("z: z");
    expect(candidate(high, [y, z], [budget(2)])).toBe("y: large");
  });

  test("an empty selector and other namespaces' budgets protect nothing here", () => {
    const empty = { ...budget(0), spec: { selector: {} } };
    const other = { ...budget(0), metadata: { name: "keep", namespace: "other" } };
    expect(candidate(high, places, [other])).toBe("y: y y2");
    const one = podInfo(kept("a", 1));
    expect(resultOf(violatingBudgets([one], () => [empty]))).toEqual(new Set());
    expect(resultOf(violatingBudgets([one], () => [budget(0)]))).toEqual(new Set([one]));
  });

  test("victims are chosen where each breaks one", () => {
    expect(candidate(high, [places[0]!], [budget(0)])).toBe("y: y y2");
  });
});

test("preempts for a used host port, not for a missing label", () => {
  const asking = pod("high", { priority: 100, hostPort: 80 });
  const holder = pod("holder", { hostPort: 80 });
  expect(candidate(asking, [[node("n"), [holder]]])).toBe("n: holder");
  const picky = sized("high", "4", 100, { nodeSelector: { disk: "ssd" } });
  expect(candidate(picky, [[node("n"), [sized("a", "4", 0)]]])).toBeUndefined();
});

test("selects no victims where the pod does not fit without them either", () => {
  expect(candidate(sized("huge", "64", 100), [[node("n"), [sized("a", "1", 0)]]])).toBeUndefined();
});

describe("counts of a trial", () => {
  const labels = { app: "web" };
  const labelSelector = { matchLabels: labels };
  const zone = "topology.kubernetes.io/zone";
  const inZone = (name: string, value: string) => node(name, { labels: { [zone]: value } });
  const terms = (topologyKey: string) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey }],
  });
  const web = (name: string) => sized(name, "1", 0, { labels });

  test("a pod that leaves or comes back is compared alone", () => {
    const wanted = sized("high", "1", 100, {
      affinity: { podAntiAffinity: terms("kubernetes.io/hostname") },
    });
    let asked = 0;
    const plain = podInfo(wanted);
    const requiredAnti = plain.affinity.requiredAnti.map((each) => ({
      ...each,
      matches: (...args: Parameters<typeof each.matches>) => (asked++, each.matches(...args)),
    }));
    const info = { ...plain, affinity: { ...plain.affinity, requiredAnti } };
    const names = ["a", "b", "c", "d", "e", "f"];
    const view = snapshot(
      names.map((n) => [node(n, { cpu: "8" }), names.map((p) => web(`${n}-${p}`))]),
    );
    const decision = schedulePod({ info, snapshot: view, framework, random: seededRandom(1) });
    if (decision.kind === "scheduled") throw new Error("it fits without preemption");
    const { state, nodeToStatus } = decision;
    let budgetsRead = 0;
    const budgetsOf = () => (budgetsRead++, []);
    const steps = findCandidate({
      info,
      state,
      handle: framework,
      nodeToStatus,
      budgetsOf,
      nominator: new Nominator(),
    });
    expect([...steps].length).toBeGreaterThan(names.length ** 2);
    expect(asked).toBeLessThanOrEqual(5 * names.length ** 2);
    expect(budgetsRead).toBe(names.length);
  });

  test("those of one node are not left in the next one's", () => {
    const wanted = sized("high", "1", 100, { affinity: { podAntiAffinity: terms(zone) } });
    const shared: [Node, Pod[]][] = [
      [inZone("a1", "a"), [web("w")]],
      [inZone("a2", "a"), [web("x")]],
    ];
    expect(candidate(wanted, shared)).toBeUndefined();
    expect(candidate(wanted, [...shared, [inZone("b", "b"), [web("y")]]])).toBe("b: y");
  });

  test("anti-affinity of a victim ends with it", () => {
    const lonely = sized("lonely", "1", 0, {
      affinity: { podAntiAffinity: terms("kubernetes.io/hostname") },
    });
    const wanted = sized("high", "1", 100, { labels });
    expect(candidate(wanted, [[node("n"), [sized("other", "1", 0), lonely]]])).toBe("n: lonely");
  });

  test("affinity to a victim is not met without it", () => {
    const affinity = { podAffinity: terms("kubernetes.io/hostname") };
    const full: [Node, Pod[]] = [node("n", { cpu: "2" }), [web("w"), sized("x", "1", 50)]];
    expect(candidate(sized("high", "1", 20, { affinity }), [full])).toBeUndefined();
    const kept: [Node, Pod[]] = [
      node("n", { cpu: "2" }),
      [sized("w", "1", 90, { labels }), sized("x", "1", 50)],
    ];
    expect(candidate(sized("high", "1", 80, { affinity }), [kept])).toBe("n: x");
  });

  test("victims make a spread even", () => {
    const whenUnsatisfiable = "DoNotSchedule" as const;
    const constraint = { maxSkew: 1, topologyKey: zone, whenUnsatisfiable, labelSelector };
    const wanted = sized("high", "1", 100, { labels, topologySpreadConstraints: [constraint] });
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), [web("w"), web("x"), sized("other", "1", 0)]],
      [inZone("b", "b"), [sized("full", "4", 200)]],
    ];
    expect(candidate(wanted, placed)).toBe("a: w x");
  });
});

test("does not preempt with policy Never, nor while earlier victims are terminating", () => {
  const full: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "2", 0)]];
  expect(candidate(sized("meek", "2", 100, { preemptionPolicy: "Never" }), [full])).toBeUndefined();
  const nominated = { ...high, status: { nominatedNodeName: "n" } };
  const n = node("n", { cpu: "2" });
  expect(candidate(nominated, [[n, [leaving("PreemptionByScheduler")]]])).toBeUndefined();
});

/** A pod of priority 0 that is being deleted for a reason. */
function leaving(reason: string): Pod {
  const there = sized("a", "2", 0);
  there.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  there.status = { conditions: [{ type: "DisruptionTarget", status: "True", reason }] };
  return there;
}

test("preempts although a pod on the nominated node is deleted by another", () => {
  const nominated = { ...high, status: { nominatedNodeName: "n" } };
  const places: [Node, Pod[]][] = [
    [node("n", { cpu: "2" }), [leaving("EvictionByEvictionAPI")]],
    [node("o", { cpu: "2" }), [sized("b", "2", 0)]],
  ];
  expect(candidate(nominated, places)).toBe("n: a");
});

test("preempts elsewhere where the nominated node has become impossible", () => {
  const nominated = { ...high, status: { nominatedNodeName: "n" } };
  const tainted = node("n", { cpu: "2", taints: [{ key: "k", effect: "NoSchedule" }] });
  const places: [Node, Pod[]][] = [
    [tainted, [leaving("PreemptionByScheduler")]],
    [node("o", { cpu: "2" }), [sized("b", "2", 0)]],
  ];
  expect(candidate(nominated, places)).toBe("o: b");
});

test("pods of one priority are nominated to a node each", () => {
  const nominator = new Nominator();
  nominator.add(podInfo(sized("first", "2", 100)), "n");
  const places: [Node, Pod[]][] = ["n", "o"].map((name) => [
    node(name, { cpu: "2" }),
    [sized(`on-${name}`, "2", 0)],
  ]);
  expect(candidate(high, places, [], nominator)).toBe("o: on-o");
});

test("a nominated pod counts for anti-affinity, and no longer than for its node", () => {
  const labels = { app: "web" };
  const term = { topologyKey: "zone", labelSelector: { matchLabels: labels } };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  const nominator = new Nominator();
  nominator.add(podInfo(pod("first", { labels })), "n");
  const decide = (...names: string[]) => {
    const zone = { labels: { zone: "z" } };
    const view = snapshot(names.map((name) => [node(name, zone), []]));
    const info = podInfo(pod("second", { labels, affinity }));
    const random = seededRandom(1);
    const decision = schedulePod({ info, snapshot: view, framework, nominator, random });
    return decision.kind === "scheduled" ? decision.suggestedHost.name : decision.kind;
  };
  expect(decide("n")).toBe("unschedulable");
  expect(decide("n", "o")).toBe("o");
});

test("resources of a nominated pod are not given to a pod of lower priority", () => {
  const nominator = new Nominator();
  nominator.add(podInfo(high), "n");
  const view = snapshot([[node("n", { cpu: "2" }), []]]);
  const decide = (wanted: Pod) => {
    const info = podInfo(wanted);
    const random = seededRandom(1);
    return schedulePod({ info, snapshot: view, framework, nominator, random }).kind;
  };
  expect(decide(sized("low", "1", 1))).toBe("unschedulable");
  expect(decide(sized("higher", "1", 200))).toBe("scheduled");
  expect(decide(high)).toBe("scheduled");
  nominator.remove(high);
  expect(decide(sized("low", "1", 1))).toBe("scheduled");
});

test("the message says why there is no candidate, as in upstream's event", () => {
  const messageFor = (wanted: Pod, placed: [Node, Pod[]][]) => {
    const failed = failedCycle(framework, wanted, snapshot(placed));
    if (!failed) throw new Error("it fits without preemption");
    const result = preemptionAfter(failed);
    return result.candidate ? undefined : result.message;
  };
  const full: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "2", 0)]];
  const other: [Node, Pod[]] = [node("o", { cpu: "2" }), []];
  const picky = sized("picky", "1", 1, { nodeSelector: { disk: "ssd" } });
  expect(messageFor(high, [full])).toBeUndefined();
  expect(messageFor(sized("low", "2", 0), [full])).toBe(
    "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
  );
  expect(messageFor(picky, [full, other])).toBe(
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
  );
  const shared: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "1", 0), sized("b", "1", 9)]];
  expect(messageFor(sized("two", "2", 1), [shared])).toBe(
    "preemption: 0/1 nodes are available: 1 Insufficient cpu.",
  );
  expect(messageFor(sized("meek", "2", 1, { preemptionPolicy: "Never" }), [full])).toBe(
    "preemption: not eligible due to preemptionPolicy=Never.",
  );
});
