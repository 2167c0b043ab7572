import type { Pod, Taint, Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { expect, test } from "vitest";
import { NOW_MS, podOf } from "../testing/objects.ts";
import { datedTaints, evictionTime } from "./plan.ts";

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
