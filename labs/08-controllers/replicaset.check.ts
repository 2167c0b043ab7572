import { Expectations } from "@raft2kube/controllers/expectations.ts";
import { planReplicas } from "@raft2kube/controllers/replicaset/plan.ts";
import { podsToDelete } from "@raft2kube/controllers/replicaset/ranking.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { NOW_MS, type PodShape, podOf, setOf } from "./objects.ts";

/** Calls, and whether the informer can be trusted after each. */
type Calls = readonly (readonly [call: string, trusted: boolean])[];

const EXPECTED: readonly (readonly [title: string, why: string, calls: Calls])[] = [
  [
    "creations are awaited one by one",
    "a copy that shows one of two new pods is still wrong",
    [
      ["look", true],
      ["expect 2", false],
      ["created", false],
      ["created", true],
      ["created", true],
      ["expect 1", false],
    ],
  ],
  [
    "a deletion that is seen twice counts once",
    "a pod's deletion is seen when it starts, and again when it ends",
    [
      ["expect 0 a b", false],
      ["deleted a", false],
      ["deleted a", false],
      ["deleted c", false],
      ["deleted b", true],
    ],
  ],
  [
    "a new expectation replaces the old one",
    "late events of earlier writes do not count",
    [
      ["expect 0 a", false],
      ["expect 1", false],
      ["created", true],
      ["deleted a", true],
    ],
  ],
  [
    "after five minutes they are given up",
    "one lost event must not stop a controller for ever",
    [
      ["expect 1", false],
      ["wait 300000", false],
      ["wait 1", true],
      ["expect 1", false],
      ["wait 300000", false],
    ],
  ],
];

for (const [title, why, calls] of EXPECTED) {
  check(`expectations: ${title}`, () => {
    const clock = new ManualClock();
    const expectations = new Expectations(clock);
    const called: string[] = [];
    for (const [call, trusted] of calls) {
      const [what, value = "", ...more] = call.split(" ");
      called.push(call);
      if (what === "expect") expectations.expect("rs", Number(value), [value, ...more].slice(1));
      if (what === "created") expectations.creationObserved("rs");
      if (what === "deleted") expectations.deletionObserved("rs", value);
      if (what === "wait") clock.advance(Number(value));
      const happened = expectations.satisfied("rs") ? "the copy is trusted" : "wait for events";
      mustEqual(happened, trusted ? "the copy is trusted" : "wait for events", {
        when: called.join(", then "),
        why,
      });
      mustEqual(expectations.satisfied("other"), true, {
        when: `${called.join(", then ")}: another ReplicaSet`,
        why: "each has its own writes",
      });
    }
  });
}

const DELETING = { deleting: true };
const COUNTS: readonly (readonly [
  replicas: number | undefined,
  pods: readonly PodShape[],
  create: number,
  remove: number,
  string,
])[] = [
  [2, [{}, {}], 0, 0, "what is wanted is there"],
  [3, [{}], 2, 0, "two are missing"],
  [undefined, [], 1, 0, "the API's default is 1"],
  [0, [{}, {}], 0, 2, "0 is a size, and not the default"],
  [2, [{}, { phase: "Failed" }], 1, 0, "a pod that has failed serves nothing"],
  [1, [{ phase: "Succeeded" }], 1, 0, "a pod that has ended serves nothing"],
  [1, [DELETING], 1, 0, "a pod that is being deleted is on its way out: its successor starts now"],
  [1, [{}, DELETING], 0, 0, "it is deleted already"],
  [1, [{}, {}, {}], 0, 2, "two are too many"],
  [700, [], 500, 0, "a burst of 500: the apiserver has other clients"],
];

check("plan: how many pods are created or deleted", () => {
  for (const [replicas, shapes, create, remove, why] of COUNTS) {
    const pods = shapes.map((shape, i) => podOf(`p${i}`, shape));
    const plan = planReplicas(setOf("web", replicas), pods, pods, NOW_MS);
    mustEqual(
      { create: plan.create, delete: plan.delete.length },
      { create, delete: remove },
      { when: `replicas ${replicas ?? "not given"}, pods ${JSON.stringify(shapes)}`, why },
    );
  }
});

const READY = { node: "n", readyFor_s: 100 };

/** The pod that goes, then the one that stays. */
const RANKS: readonly (readonly [goes: PodShape, stays: PodShape, why: string])[] = [
  [{ phase: "Running" }, { node: "n", phase: "Pending" }, "without a node it has used nothing"],
  [{ node: "n", phase: "Pending" }, { node: "n" }, "it is not running"],
  [{ node: "n", phase: "Pending" }, { node: "n", phase: "Unknown" }, "Pending, Unknown, Running"],
  [{ node: "n" }, READY, "it serves no requests"],
  [{ ...READY, cost: "1" }, { ...READY, cost: "2", readyFor_s: 1 }, "its owner says it is cheap"],
  [{ ...READY, cost: "-1" }, { ...READY, readyFor_s: 1 }, "no annotation means 0"],
  [{ ...READY, readyFor_s: 10 }, READY, "it has served for a shorter time"],
  [{ ...READY, restarts: 3 }, READY, "it is restarted more often"],
  [{ ...READY, age_s: 60 }, READY, "it is younger"],
  [{ node: "n", restarts: 1, age_s: 9_000 }, { node: "n", age_s: 60 }, "restarts before age"],
];

check("plan: which of two pods is deleted", () => {
  for (const [goes, stays, why] of RANKS) {
    const pods = [podOf("stays", stays), podOf("goes", goes)];
    for (const order of [pods, pods.toReversed()]) {
      const [deleted] = podsToDelete(order, pods, 1, NOW_MS);
      mustEqual(deleted?.metadata.name, "goes", {
        when: `one of ${JSON.stringify(goes)} (goes) and ${JSON.stringify(stays)} (stays)`,
        why,
      });
    }
  }
});

check("plan: of equal pods, one of the node with more of them is deleted", () => {
  const own = [podOf("a", READY), podOf("b", { ...READY, node: "m" })];
  const sibling = podOf("c", { ...READY, node: "m" });
  const why = "a rollout's old and new pods share nodes: one node's end should not take most";
  for (const readyFor_s of [100, 1]) {
    const [first, second] = own;
    const pods = [podOf("a", { ...READY, readyFor_s }), second!];
    const [deleted] = podsToDelete(pods, [...pods, sibling], 1, NOW_MS);
    mustEqual(deleted?.metadata.name, "b", {
      when: `${first!.metadata.name} alone on n, b on m beside a pod of another ReplicaSet`,
      why,
    });
  }
});
