import { schedulePod } from "@raft2kube/scheduler/cycle.ts";
import { CycleState } from "@raft2kube/scheduler/framework/cycle-state.ts";
import { Framework } from "@raft2kube/scheduler/framework/framework.ts";
import type { FilterPlugin, ScorePlugin } from "@raft2kube/scheduler/framework/plugin.ts";
import { SKIP, unresolvable, unschedulable } from "@raft2kube/scheduler/framework/status.ts";
import { podInfo } from "@raft2kube/scheduler/node-info.ts";
import { Nominator } from "@raft2kube/scheduler/nominator.ts";
import { resourcesFit } from "@raft2kube/scheduler/plugins/resources-fit.ts";
import { type PodShape, pod } from "@raft2kube/scheduler/testing/objects.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { check } from "../check.ts";
import { clauses, number, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";
import {
  clusterOf,
  decide,
  FRAMEWORK,
  outcomeOf,
  type Place,
  placeOf,
  placesOf,
  shapeOf,
} from "./placement.ts";

const cpu = (amount: string, more: PodShape = {}): PodShape => {
  return { requests: { cpu: amount }, ...more };
};

const { fits, scores, cycles } = clauses(import.meta, {
  fits: { wanted: shapeOf, place: placeOf, expected: text, why: text },
  scores: { wanted: shapeOf, place: placeOf, expected: number, why: text },
  cycles: { wanted: shapeOf, places: placesOf, expected: text, why: text },
});

check("filter: whether a node has enough left", () => {
  for (const { wanted, place, expected, why } of fits) {
    const cluster = clusterOf([place]);
    const info = podInfo(pod("p", wanted));
    const status = resourcesFit.filter(new CycleState(cluster), info, cluster.nodes[0]!);
    const happened = status ? `${status.code}: ${status.reasons.join(", ")}` : "fits";
    mustEqual(happened, expected, {
      when: `a pod with ${JSON.stringify(wanted)} on ${JSON.stringify(place)}`,
      why,
    });
  }
});

check("score: the share that is left", () => {
  for (const { wanted, place, expected, why } of scores) {
    const cluster = clusterOf([place]);
    const info = podInfo(pod("p", wanted));
    mustEqual(resourcesFit.score(new CycleState(cluster), info, cluster.nodes[0]!), expected, {
      when: `a pod with ${JSON.stringify(wanted)} on ${JSON.stringify(place)}`,
      why,
    });
  }
});

const called: string[] = [];

/** A plugin that rejects some nodes, and gives the others points. */
function plugin(name: string, rejects: string, points: readonly number[], weight: number) {
  const one: FilterPlugin & ScorePlugin = {
    name,
    weight,
    events: [],
    filter(_state, _info, { name: on }) {
      called.push(`${name} ${on}`);
      return rejects.includes(on) ? unschedulable(`${name} says no`) : undefined;
    },
    score: (_state, _info, { name: on }) => points["abc".indexOf(on)]!,
    normalizeScore: (scores) => scores.map((score) => score * 10),
  };
  return one;
}

const THREE: readonly Place[] = [
  ["a", {}],
  ["b", {}],
  ["c", {}],
];

check("framework: the first filter that rejects decides, skipped ones are not asked", () => {
  const cluster = clusterOf(THREE);
  const plugins = [plugin("one", "a", [], 1), plugin("two", "ab", [], 1)];
  const framework = new Framework(plugins);
  const info = podInfo(pod("p"));
  const rejections = (state: CycleState) =>
    cluster.nodes.map((one) => framework.runFilterPlugins(state, info, one)?.plugin.name ?? "fits");
  const why = "events of the named plugin wake the pod: of another one they would come in vain";
  called.length = 0;
  mustEqual(rejections(new CycleState(cluster)), ["one", "two", "fits"], {
    when: "one rejects a, two rejects a and b",
    why,
  });
  mustEqual(called, ["one a", "one b", "two b", "one c", "two c"], {
    when: "one rejects a",
    why: "filters behind it cost time on 5,000 nodes",
  });
  const state = new CycleState(cluster);
  state.skipFilterPlugins.add("one");
  mustEqual(rejections(state), ["two", "two", "fits"], {
    when: `the PreFilter of one returned ${SKIP}`,
    why: "it has nothing to say about this pod",
  });
});

check("framework: scores are normalized, weighted and added", () => {
  const cluster = clusterOf(THREE);
  const plugins = [plugin("one", "", [1, 2, 3], 1), plugin("two", "", [5, 0, 0], 2)];
  const info = podInfo(pod("p"));
  const run = (framework: Framework, skipped?: string) => {
    const state = new CycleState(cluster);
    if (skipped) state.skipScorePlugins.add(skipped);
    return framework.runScorePlugins(state, info, cluster.nodes);
  };
  const when = "one gives 1, 2, 3 points, two 5, 0, 0 with weight 2, both normalized times 10";
  const why = "a score has a meaning beside others only by its range and its weight";
  mustEqual(run(new Framework(plugins)), [110, 20, 30], { when, why });
  mustEqual(run(new Framework(plugins, { two: 0 })), [10, 20, 30], {
    when: `${when}; the profile's weight of two is 0`,
    why: "an operator's weight replaces it",
  });
  mustEqual(run(new Framework(plugins), "two"), [10, 20, 30], {
    when: `${when}; the PreScore of two returned ${SKIP}`,
    why,
  });
});

check("cycle: filter all nodes, take the one with the highest score", () => {
  for (const { wanted, places, expected, why } of cycles) {
    mustEqual(outcomeOf(decide(pod("p", wanted), clusterOf(places))), expected, {
      when: `a pod with ${JSON.stringify(wanted)}, nodes ${JSON.stringify(places)}`,
      why,
    });
  }
});

check("cycle: what is known of a pod that fits nowhere", () => {
  const cluster = clusterOf([
    ["a", { cpu: "1" }, cpu("1")],
    ["b", { unschedulable: true }],
  ]);
  const decision = decide(pod("p", cpu("1")), cluster);
  const when = "a is full, b is unschedulable";
  const failed = decision.kind === "scheduled" ? undefined : decision;
  mustEqual(
    [...(failed?.nodeToStatus ?? [])].map(([name, { code }]) => `${name} ${code}`),
    ["a Unschedulable", "b UnschedulableAndUnresolvable"],
    { when, why: "preemption looks only at nodes that it can help" },
  );
  mustEqual(
    [...(failed?.unschedulablePlugins ?? [])].sort(),
    ["NodeResourcesFit", "NodeUnschedulable"],
    { when, why: "the pod waits for an event of these plugins" },
  );
});

check("cycle: among equal nodes chance decides", () => {
  const random = seededRandom(7);
  const chosen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const input = { info: podInfo(pod("p")), snapshot: clusterOf(THREE), random };
    chosen.add(outcomeOf(schedulePod({ ...input, framework: FRAMEWORK })));
  }
  mustEqual([...chosen].sort().join(" "), "a b c", {
    when: "60 pods, each for three empty nodes",
    why: "pods of several schedulers, or of a burst, would all meet on the first node",
  });
});

check("cycle: a large cluster is searched in turns, until enough nodes are found", () => {
  const names = Array.from({ length: 200 }, (_, i): Place => [`n${i}`, {}]);
  const input = { info: podInfo(pod("p")), snapshot: clusterOf(names), framework: FRAMEWORK };
  const random = seededRandom(1);
  const decision = schedulePod({ ...input, random, nextStartNodeIndex: 150 });
  mustEqual(decision.evaluatedNodes, 100, {
    when: "200 nodes, all of them feasible",
    why: "half of them are enough to choose from",
  });
  const place = Number(outcomeOf(decision).slice(1));
  mustEqual(place >= 150 || place < 50, true, {
    when: `the search starts at node 150; ${outcomeOf(decision)} was chosen`,
    why: "always from the first one: the last ones would stay empty",
  });
});

check("cycle: a place that is kept for a nominated pod is not given away", () => {
  const cluster = clusterOf([["a", { cpu: "2" }]]);
  const nominator = new Nominator();
  nominator.add(podInfo(pod("high", cpu("2", { priority: 100 }))), "a");
  const random = seededRandom(1);
  const kindOf = (priority: number) =>
    schedulePod({
      info: podInfo(pod("p", cpu("1", { priority }))),
      snapshot: cluster,
      framework: FRAMEWORK,
      nominator,
      random,
    }).kind;
  const why = "victims have ended for it: another one in its place would make them end in vain";
  const when = "a of 2 cpu is kept for a pod of priority 100";
  mustEqual(kindOf(1), "unschedulable", { when: `${when}; a pod of priority 1`, why });
  mustEqual(kindOf(200), "scheduled", { when: `${when}; a pod of priority 200`, why });
});

check("cycle: a node that can never take the pod says so", () => {
  const { nodeToStatus } = decide(pod("p", cpu("9")), clusterOf([["a", {}]])) as {
    nodeToStatus: ReadonlyMap<string, unknown>;
  };
  mustEqual(nodeToStatus.get("a"), unresolvable("Insufficient cpu"), {
    when: "9 cpu are asked for, the node has 4",
    why: "no victim can help",
  });
});
