import { CycleState } from "@raft2kube/scheduler/framework/cycle-state.ts";
import { podInfo } from "@raft2kube/scheduler/node-info.ts";
import { type PodShape, pod } from "@raft2kube/scheduler/testing/objects.ts";
import { mustEqual } from "../must.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import { clusterOf, decide, FRAMEWORK, outcomeOf, type Place, preempted } from "./placement.ts";

const PLACES: readonly Place[] = [
  ["a", { cpu: "4" }],
  ["b", { cpu: "4" }, { requests: { cpu: "1", memory: "2Gi" } }],
  ["c", { cpu: "8", taints: [{ key: "gpu", effect: "NoSchedule" }] }],
];

const sized = (cpu: string, priority = 0): PodShape => ({
  requests: { cpu, memory: "1Gi" },
  priority,
});

const FULL = "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.";

/** Pods in the order of their creation, with their nodes. */
const PODS: readonly (readonly [name: string, shape: PodShape, outcome: string])[] = [
  ["web-1", sized("2"), "a"],
  ["web-2", sized("1"), "b"],
  ["db", sized("2"), "a"],
  ["batch", sized("2"), "b"],
  ["late", sized("2"), FULL],
  ["urgent", sized("2", 100), FULL],
];

/** Records each node's verdict and score for a pod, then its choice, or its victims. */
function play(recorder: Recorder, clock: StepClock): void {
  const cluster = clusterOf(PLACES);
  const stateOf = (name: string, verdict: string) => {
    const { requested, allocatable, pods } = cluster.get(name)!;
    const cells = [...pods.values()].map(({ pod: { metadata } }, i) => {
      return { index: i + 1, group: i + 1, text: metadata.name! };
    });
    const cpu = `${requested.get("cpu") ?? 0} of ${allocatable.get("cpu") ?? 0}`;
    return plainState("node", { facts: { cpu, verdict }, cells });
  };
  recorder.track("scheduler", "scheduler", plainState("scheduler"));
  for (const { name } of cluster.nodes) recorder.track(name, `node ${name}`, stateOf(name, "–"));
  for (const [name, shape, expected] of PODS) {
    clock.next();
    recorder.note("scheduler", "request", `${name}: ${JSON.stringify(shape.requests)}`);
    const wanted = pod(name, shape);
    const info = podInfo(wanted);
    const state = new CycleState(cluster);
    FRAMEWORK.runPreFilterPlugins(state, info);
    FRAMEWORK.runPreScorePlugins(state, info, cluster.nodes);
    for (const node of cluster.nodes) {
      clock.next();
      const status = FRAMEWORK.runFilterPlugins(state, info, node)?.status;
      const [score] = FRAMEWORK.runScorePlugins(state, info, [node]);
      const verdict = status ? status.reasons.join(", ") : `fits, ${score} points`;
      recorder.note(node.name, status ? "fault" : "remark", `${name}: ${verdict}`);
      recorder.state(node.name, stateOf(node.name, verdict));
    }
    clock.next();
    const outcome = outcomeOf(decide(wanted, cluster));
    const victims = outcome === expected && outcome === FULL ? preempted(wanted, cluster) : "";
    recorder.note("scheduler", "role", `${name}: ${outcome}${victims && `; victims: ${victims}`}`);
    mustEqual(outcome, expected, { when: name, why: "the node with the most room that fits" });
    const node = cluster.get(outcome);
    node?.add(info);
    if (node) recorder.state(outcome, stateOf(outcome, `${name} is bound`));
  }
}

recordable({
  title: "six pods, three nodes: each node's verdict and score",
  about:
    "Each pod is filtered on every node, then scored; the best node has it from the next cycle " +
    "on. One pod fits nowhere and waits; a more important one names its victims.",
  unit: "step",
  variantName: "order",
  variants: [1],
  play,
});
