import type { UnsatisfiableConstraintAction } from "@raft2kube/api/gen/core/v1.ts";
import { ObjectStore } from "@raft2kube/client-kube/informer/store.ts";
import { SchedulerCache } from "@raft2kube/scheduler/cache.ts";
import { podInfo } from "@raft2kube/scheduler/node-info.ts";
import { node, type PodShape, pod } from "@raft2kube/scheduler/testing/objects.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { clusterOf, decide, outcomeOf, type Place, preempted } from "./placement.ts";

const ZONE = "topology.kubernetes.io/zone";
const inZone = (zone: string) => ({ labels: { [ZONE]: zone } });
const WEB = { labels: { app: "web" } };

function spread(
  maxSkew: number,
  whenUnsatisfiable: UnsatisfiableConstraintAction = "DoNotSchedule",
): PodShape {
  const labelSelector = { matchLabels: { app: "web" } };
  const constraint = { maxSkew, topologyKey: ZONE, whenUnsatisfiable, labelSelector };
  return { ...WEB, topologySpreadConstraints: [constraint] };
}

const MISMATCH = "node(s) didn't match pod topology spread constraints";

const SPREADS: readonly (readonly [PodShape, places: readonly Place[], string, why: string])[] = [
  [
    spread(1),
    [
      ["a", inZone("x"), WEB],
      ["b", inZone("y")],
    ],
    "b",
    "2 in x and 0 in y differ by 2",
  ],
  [
    spread(1),
    [
      ["a", inZone("x"), WEB],
      ["b", { ...inZone("y"), unschedulable: true }],
    ],
    `0/2 nodes are available: 1 ${MISMATCH}, 1 node(s) were unschedulable.`,
    "better no pod than an uneven one: that is what DoNotSchedule says",
  ],
  [
    spread(1),
    [
      ["a", inZone("x"), WEB],
      ["b", inZone("y"), WEB, WEB],
      ["c", inZone("z"), WEB],
    ],
    "a|c",
    "one more in x or z is still even",
  ],
  [
    spread(2),
    [
      ["a", inZone("x"), WEB, { requests: { cpu: "3" } }],
      ["b", { ...inZone("y"), unschedulable: true }],
    ],
    "a",
    "2 and 0 differ by 2, which is allowed",
  ],
  [
    spread(1),
    [
      ["a", inZone("x"), { labels: { app: "db" } }],
      ["b", inZone("y"), WEB],
    ],
    "a",
    "pods that the selector does not match are not counted",
  ],
  [
    spread(1, "ScheduleAnyway"),
    [
      ["a", inZone("x"), WEB, WEB],
      ["b", inZone("y"), WEB],
    ],
    "b",
    "fewer of them is better, and not a must",
  ],
  [
    spread(1, "ScheduleAnyway"),
    [
      ["a", inZone("x"), WEB],
      ["b", { unschedulable: true }],
    ],
    "a",
    "ScheduleAnyway rejects nothing",
  ],
  [
    spread(1, "ScheduleAnyway"),
    [
      ["a", {}],
      ["b", inZone("y"), WEB],
    ],
    "b",
    "a node without the label has the score 0, whatever the others have",
  ],
];

check("spread: a pod goes where there are fewer of its kind", () => {
  for (const [wanted, places, expected, why] of SPREADS) {
    const happened = outcomeOf(decide(pod("p", wanted), clusterOf(places)));
    const [constraint] = wanted.topologySpreadConstraints!;
    mustEqual(expected.split("|").includes(happened) ? expected : happened, expected, {
      when:
        `${constraint!.whenUnsatisfiable}, maxSkew ${constraint!.maxSkew} over zones, ` +
        `nodes ${JSON.stringify(places)}`,
      why,
    });
  }
});

function sized(amount: string, priority: number, more: PodShape = {}): PodShape {
  return { requests: { cpu: amount }, priority, ...more };
}

const TWO = { cpu: "2" };
const FOUR = { cpu: "4" };

const PREEMPTIONS: readonly (readonly [PodShape, readonly Place[], string, why: string])[] = [
  [sized("2", 100), [["n", TWO, sized("2", 1)]], "n: n-0", "it is less important"],
  [
    sized("2", 100),
    [["n", FOUR, sized("1", 1), sized("1", 2), sized("1", 3), sized("1", 4)]],
    "n: n-1 n-0",
    "no more than needed, and the most important ones stay",
  ],
  [
    sized("2", 100),
    [["n", FOUR, sized("1", 1), sized("3", 2)]],
    "n: n-1",
    "the less important one stays if it is not in the way",
  ],
  [
    sized("2", 100),
    [["n", TWO, sized("1", 100), sized("1", 200)]],
    "nothing",
    "nobody ends for a pod of the same priority",
  ],
  [
    sized("2", 100),
    [["n", TWO, sized("1", 100), sized("1", 1)]],
    "nothing",
    "the victim's end would not be enough",
  ],
  [
    sized("2", 100),
    [
      ["x", TWO, sized("2", 50)],
      ["y", TWO, sized("1", 5), sized("1", 5)],
    ],
    "y: y-0 y-1",
    "the least important victims first, also if they are more",
  ],
  [
    sized("2", 100),
    [
      ["y", TWO, sized("1", 5), sized("1", 5)],
      ["z", TWO, sized("2", 5)],
    ],
    "z: z-0",
    "then the lowest sum of priorities",
  ],
  [
    sized("2", 100),
    [
      ["y", TWO, sized("1", 0), sized("1", 0)],
      ["z", TWO, sized("2", 0)],
    ],
    "z: z-0",
    "then the fewest victims",
  ],
  [
    sized("2", 100),
    [["y", { ...TWO, unschedulable: true }, sized("2", 0)]],
    "nothing",
    "no victim makes a cordoned node schedulable",
  ],
];

check("preempt: the fewest and least important victims", () => {
  for (const [wanted, places, expected, why] of PREEMPTIONS) {
    mustEqual(preempted(pod("p", wanted), clusterOf(places)), expected, {
      when: `2 cpu at priority 100, nodes ${JSON.stringify(places)}`,
      why,
    });
  }
});

check("preempt: the node whose victims started last", () => {
  const cluster = clusterOf([
    ["y", TWO, sized("2", 0)],
    ["z", TWO, sized("2", 0)],
  ]);
  for (const [i, { pods }] of cluster.nodes.entries()) {
    const [victim] = pods.values();
    victim!.pod.status = { startTime: `2026-01-01T0${i}:00:00Z` };
  }
  mustEqual(preempted(pod("p", sized("2", 100)), cluster), "z: z-0", {
    when: "two equal nodes; the pod of z started an hour after that of y",
    why: "the least work is lost",
  });
});

/** A cache, and the cpu of node `a` that is taken after each call. */
type Calls = readonly (readonly [call: string, cpu: number])[];

const BINDINGS: readonly (readonly [title: string, why: string, calls: Calls])[] = [
  [
    "an assumed pod takes its place before the informer shows it",
    "the next cycle would give the same place away",
    [
      ["assume p", 1_000],
      ["shown p", 1_000],
      ["removed p", 0],
    ],
  ],
  [
    "a binding that failed gives its place back",
    "the node would stay full of nothing",
    [
      ["assume p", 1_000],
      ["forget p", 0],
    ],
  ],
  [
    "what the informer has shown is not forgotten",
    "the answer was lost, the binding was not: the pod runs there",
    [
      ["assume p", 1_000],
      ["shown p", 1_000],
      ["forget p", 1_000],
    ],
  ],
  [
    "two pods are two",
    "each has its own requests",
    [
      ["assume p", 1_000],
      ["assume q", 2_000],
      ["forget p", 1_000],
      ["shown q", 1_000],
    ],
  ],
];

for (const [title, why, calls] of BINDINGS) {
  check(`bind: ${title}`, () => {
    const cache = new SchedulerCache(new ObjectStore());
    cache.setNode(node("a"));
    const called: string[] = [];
    for (const [call, expected] of calls) {
      const [what, name = ""] = call.split(" ");
      const one = pod(name, { requests: { cpu: "1" } });
      called.push(call);
      if (what === "assume") cache.assume(podInfo(one), "a");
      if (what === "shown") cache.setPod({ ...one, spec: { ...one.spec, nodeName: "a" } });
      if (what === "forget") cache.forget(one);
      if (what === "removed") cache.removePod(one);
      const when = called.join(", then ");
      mustEqual(cache.get("a")?.requested.get("cpu") ?? 0, expected, {
        when: `${when}: thousandths of cpu that are taken on a`,
        why,
      });
      mustEqual(cache.isAssumed(one), what === "assume", {
        when: `${when}: whether ${name} is assumed`,
        why,
      });
    }
  });
}

check("bind: a pod that requests less than before wakes others", () => {
  const cache = new SchedulerCache(new ObjectStore());
  cache.setNode(node("a"));
  const shown = (cpu: string) => cache.setPod(pod("p", { requests: { cpu }, nodeName: "a" }));
  mustEqual([shown("2"), shown("2"), shown("1"), shown("2")], [false, false, true, false], {
    when: "the informer shows p with 2, 2, 1 and 2 cpu",
    why: "a resize makes room",
  });
});
