import { ObjectStore } from "@raft2kube/client-kube/informer/store.ts";
import { SchedulerCache } from "@raft2kube/scheduler/cache.ts";
import { podInfo } from "@raft2kube/scheduler/node-info.ts";
import { node, pod } from "@raft2kube/scheduler/testing/objects.ts";
import { check } from "../check.ts";
import { clauses, steps, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";
import {
  clusterOf,
  decide,
  outcomeOf,
  placesOf,
  preempted,
  shapeOf,
  spreadOf,
} from "./placement.ts";

const { spreads, preemptions, bindings } = clauses(import.meta, {
  spreads: { wanted: spreadOf, places: placesOf, expected: text, why: text },
  preemptions: { places: placesOf, expected: text, why: text },
  bindings: { title: text, why: text, calls: steps },
});

check("spread: a pod goes where there are fewer of its kind", () => {
  for (const { wanted, places, expected, why } of spreads) {
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

const WANTED = shapeOf({ cpu: 2, priority: 100 });

check("preempt: the fewest and least important victims", () => {
  for (const { places, expected, why } of preemptions) {
    mustEqual(preempted(pod("p", WANTED), clusterOf(places)), expected, {
      when: `2 cpu at priority 100, nodes ${JSON.stringify(places)}`,
      why,
    });
  }
});

check("preempt: the node whose victims started last", () => {
  const [full, victim] = [{ cpu: "2" }, shapeOf({ cpu: 2, priority: 0 })];
  const cluster = clusterOf([
    ["y", full, victim],
    ["z", full, victim],
  ]);
  for (const [i, { pods }] of cluster.nodes.entries()) {
    const [victim] = pods.values();
    victim!.pod.status = { startTime: `2026-01-01T0${i}:00:00Z` };
  }
  mustEqual(preempted(pod("p", WANTED), cluster), "z: z-0", {
    when: "two equal nodes; the pod of z started an hour after that of y",
    why: "the least work is lost",
  });
});

for (const { title, why, calls } of bindings) {
  check(`bind: ${title}`, () => {
    const cache = new SchedulerCache(new ObjectStore());
    cache.setNode(node("a"));
    const called: string[] = [];
    for (const { event: call, notes } of calls) {
      const [what, name = ""] = call.split(" ");
      const one = pod(name, { requests: { cpu: "1" } });
      called.push(call);
      if (what === "assume") cache.assume(podInfo(one), "a");
      if (what === "shown") cache.setPod({ ...one, spec: { ...one.spec, nodeName: "a" } });
      if (what === "forget") cache.forget(one);
      if (what === "removed") cache.removePod(one);
      const when = called.join(", then ");
      mustEqual(cache.get("a")?.requested.get("cpu") ?? 0, Number(notes[0]), {
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
