import type { Node, Pod, Taint, Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { expect, test } from "vitest";
import { loopContext } from "../testing/loop-context.ts";
import { NOW_MS, podOf } from "../testing/objects.ts";
import { datedTaints, evictionTime } from "./plan.ts";
import { startTaintEviction } from "./tainteviction.ts";

const taint = (timeAdded?: number): Taint => ({
  ...{ key: "maintenance", effect: "NoExecute" },
  ...(timeAdded === undefined ? {} : { timeAdded: timeText(timeAdded) }),
});

function tolerant(tolerationSeconds?: number, bound_ms = 0): Pod {
  const pod = podOf("p", { node: "n" });
  const toleration: Toleration = { operator: "Exists" };
  if (tolerationSeconds !== undefined) toleration.tolerationSeconds = tolerationSeconds;
  pod.spec.tolerations = [toleration];
  const lastTransitionTime = timeText(bound_ms);
  pod.status!.conditions = [{ type: "PodScheduled", status: "True", lastTransitionTime }];
  return pod;
}

/** A pod's end on a node whose taints were seen at these times, as of the last one. */
function endOf(pod: Pod, taints: Taint[], ...seen_ms: number[]) {
  const dated = seen_ms.reduce<Taint[]>((known, at_ms) => datedTaints(taints, known, at_ms), []);
  return evictionTime(pod, dated, seen_ms.at(-1)!);
}

test("a taint without a time counts from when it was first seen", () => {
  const ends = endOf(tolerant(30), [taint()], NOW_MS, NOW_MS + 20_000, NOW_MS + 40_000);
  expect(ends).toBe(NOW_MS + 30_000);
});

test("a taint that was taken away and put back counts from then on", () => {
  const known = datedTaints([taint()], [], NOW_MS);
  const none = datedTaints([], known, NOW_MS + 1_000);
  const [again] = datedTaints([taint()], none, NOW_MS + 2_000);
  expect(timeOf(again?.timeAdded)).toBe(NOW_MS + 2_000);
});

test.each([
  ["the taint's time", 0, NOW_MS + 30_000],
  ["its own, if it came later", NOW_MS + 3_600_000, NOW_MS + 3_630_000],
])("a toleration lasts from %s", (_, bound_ms, expected) => {
  const now_ms = NOW_MS + 3_600_000;
  expect(endOf(tolerant(30, bound_ms), [taint(NOW_MS)], now_ms)).toBe(expected);
});

test("a pod that no scheduler bound came to its node when it was created", () => {
  const pod = tolerant(30);
  pod.status!.conditions = [];
  pod.metadata.creationTimestamp = timeText(NOW_MS);
  expect(endOf(pod, [taint(0)], NOW_MS)).toBe(NOW_MS + 30_000);
});

test("a pod leaves immediately, or never, as it tolerates", () => {
  const preferred: Taint = { key: "k", effect: "PreferNoSchedule" };
  expect(endOf(podOf("p"), [taint()], NOW_MS)).toBe(NOW_MS);
  expect(endOf(podOf("p"), [preferred], NOW_MS)).toBeUndefined();
  expect(endOf(tolerant(), [taint(0)], NOW_MS)).toBeUndefined();
});

/** Taint eviction of `pod` on a node with a taint, whose deletion it reports in `deleted`. */
function eviction(pod: Pod) {
  const node: Node = { metadata: { name: "n", uid: "n" }, spec: { taints: [taint(NOW_MS)] } };
  const deleted: number[] = [];
  const { context, clock, copies, events } = loopContext(
    { nodes: [node], pods: [pod] },
    (asked) => {
      if (asked.method === "DELETE") deleted.push(clock.now() - NOW_MS);
      return {};
    },
  );
  const running = startTaintEviction(context);
  const change = (resource: "nodes" | "pods", object: Node | Pod) =>
    copies.get(resource)?.apply({ type: "MODIFIED", object });
  return { clock, deleted, events, node, change, running };
}

/** Lets a loop take what is queued now. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

test.each([
  ["is shortened", 300],
  ["is set where it lasted for ever", undefined],
])("a running pod whose toleration %s leaves at the new time", async (_, before_s) => {
  const { clock, deleted, change, running } = eviction(tolerant(before_s));
  await turn();
  change("pods", tolerant(5));
  await turn();
  clock.advance(5_000);
  await expect.poll(() => deleted).toEqual([5_000]);
  await running.close();
});

test.each(["a longer toleration", "the end of the taint"])(
  "the events of a pod that %s saves say so",
  async (cause) => {
    const { clock, deleted, events, node, change, running } = eviction(tolerant(300));
    await turn();
    if (cause === "a longer toleration") change("pods", tolerant());
    else change("nodes", { ...node, spec: {} });
    const message = "Cancelling deletion of Pod shop/p";
    const cancelled = { about: "p", type: "Normal", reason: "TaintManagerEviction", message };
    await expect.poll(() => events).toEqual([cancelled]);
    clock.advance(300_000);
    await turn();
    expect(deleted).toEqual([]);
    await running.close();
  },
);
