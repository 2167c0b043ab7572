import { Expectations } from "@raft2kube/controllers/expectations.ts";
import { planReplicas } from "@raft2kube/controllers/replicaset/plan.ts";
import { podsToDelete } from "@raft2kube/controllers/replicaset/ranking.ts";
import { NOW_MS, type PodShape, podOf, setOf } from "@raft2kube/controllers/testing/objects.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { as, clauses, number, optional, steps, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";

const { expected, counts, ranks } = clauses(import.meta, {
  expected: { title: text, why: text, calls: steps },
  counts: {
    replicas: optional(number),
    shapes: as<readonly PodShape[]>(),
    create: number,
    remove: number,
    why: text,
  },
  ranks: { goes: as<PodShape>(), stays: as<PodShape>(), why: text },
});

const RS = setOf("rs", 1);

for (const { title, why, calls } of expected) {
  check(`expectations: ${title}`, () => {
    const clock = new ManualClock();
    const expectations = new Expectations(clock);
    const called: string[] = [];
    for (const { event: call, notes } of calls) {
      const [what, value = "", ...more] = call.split(" ");
      called.push(call);
      if (what === "expect") expectations.expect(RS, Number(value), [value, ...more].slice(1));
      if (what === "created") expectations.creationObserved(RS);
      if (what === "deleted") expectations.deletionObserved(RS, value);
      if (what === "wait") clock.advance(Number(value));
      const happened = expectations.satisfied(RS) ? "the copy is trusted" : "wait for events";
      mustEqual(happened, notes[0] === "trust" ? "the copy is trusted" : "wait for events", {
        when: called.join(", then "),
        why,
      });
      mustEqual(expectations.satisfied(setOf("other", 1)), true, {
        when: `${called.join(", then ")}: another ReplicaSet`,
        why: "each has its own writes",
      });
    }
  });
}

check("plan: how many pods are created or deleted", () => {
  for (const { replicas, shapes, create, remove, why } of counts) {
    const pods = shapes.map((shape, i) => podOf(`p${i}`, shape));
    const plan = planReplicas(setOf("web", replicas), pods, pods, NOW_MS);
    mustEqual(
      { create: plan.create, delete: plan.delete.length },
      { create, delete: remove },
      { when: `replicas ${replicas ?? "not given"}, pods ${JSON.stringify(shapes)}`, why },
    );
  }
});

check("plan: which of two pods is deleted", () => {
  for (const { goes, stays, why } of ranks) {
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

const READY = { node: "n", readyFor_s: 100 };

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
