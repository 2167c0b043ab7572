import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { describe, expect, test } from "vitest";
import { DISRUPTION_TARGET_MS, EVICTED_POD_MS } from "../limits.ts";
import {
  countHealthy,
  failedStatus,
  followDisrupted,
  needsScale,
  statusOf,
  wantedBy,
} from "./plan.ts";
import { staleIn_ms, withoutMark } from "./stale-target.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const NOW = timeText(NOW_MS);

function pod(name: string, { ready = true, deleting = false } = {}): Pod {
  return {
    metadata: { name, ...(deleting && { deletionTimestamp: NOW }) },
    spec: { containers: [] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

function budget(
  spec: PodDisruptionBudget["spec"],
  disruptedPods?: Record<string, string>,
): PodDisruptionBudget {
  const counts = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  const status = { ...counts, ...(disruptedPods && { disruptedPods }) };
  return { metadata: { name: "b", namespace: "ns", generation: 2 }, spec, status };
}

const NONE = { pods: {}, notDeleted: [], again_ms: undefined };

describe("wantedBy", () => {
  const three = ["a", "b", "c"].map((name) => pod(name));
  test.each([
    ["a number counts the pods there are", { minAvailable: 2 }, undefined, [3, 2]],
    ["more than there are", { minAvailable: 9 }, undefined, [3, 9]],
    ["a share is of what is wanted, rounded up", { minAvailable: "50%" }, 5, [5, 3]],
    ["all of them", { minAvailable: "100%" }, 4, [4, 4]],
    ["a number that may be missing", { maxUnavailable: 1 }, 4, [4, 3]],
    ["a share that may be missing, rounded up", { maxUnavailable: "30%" }, 4, [4, 2]],
    ["more may be missing than there are", { maxUnavailable: 9 }, 4, [4, 0]],
    ["neither", {}, undefined, [0, 0]],
  ] as const)("%s", (_name, spec, scale, [expectedPods, desiredHealthy]) => {
    const asked = budget(spec);
    expect(needsScale(asked)).toBe(scale !== undefined);
    expect(wantedBy(asked, three, scale)).toEqual({ expectedPods, desiredHealthy });
  });
});

test("pods count as healthy that are ready, stay, and are not about to be evicted", () => {
  const pods = [
    pod("ok"),
    pod("unready", { ready: false }),
    pod("going", { deleting: true }),
    pod("evicted"),
    pod("constructor"),
  ];
  const disrupted = followDisrupted(budget({}, { evicted: NOW }), pods, NOW_MS);
  expect(countHealthy(pods, disrupted)).toBe(2);
  expect(disrupted.notDeleted).toEqual([]);
});

test("an evicted pod is waited for until it is going, or for two minutes", () => {
  const since = timeText(NOW_MS - EVICTED_POD_MS + 5_000);
  const asked = budget({}, { late: since, new: NOW, going: NOW, gone: NOW });
  const late = pod("late");
  const pods = [late, pod("new"), pod("going", { deleting: true }), pod("other")];
  expect(followDisrupted(asked, pods, NOW_MS)).toEqual({
    pods: { late: since, new: NOW },
    notDeleted: [],
    again_ms: 5_000,
  });
  const after = followDisrupted(asked, pods, NOW_MS + 5_001);
  expect(after).toMatchObject({ pods: { new: NOW }, notDeleted: [late] });
  expect(countHealthy(pods, after)).toBe(2);
});

describe("statusOf", () => {
  const status = (expectedPods: number, desiredHealthy: number, healthy: number) =>
    statusOf(budget({}), { expectedPods, desiredHealthy }, healthy, NONE, NOW_MS);

  test("what is spare may go, and the condition says so", () => {
    expect(status(5, 3, 5)).toEqual({
      observedGeneration: 2,
      disruptionsAllowed: 2,
      currentHealthy: 5,
      desiredHealthy: 3,
      expectedPods: 5,
      conditions: [
        {
          type: "DisruptionAllowed",
          status: "True",
          reason: "SufficientPods",
          message: "",
          observedGeneration: 2,
          lastTransitionTime: NOW,
        },
      ],
    });
  });

  test.each([
    ["as many as needed", 3, 3, 3],
    ["fewer than needed", 3, 3, 1],
    ["nothing is expected: its first pods are not counted yet", 0, 0, 2],
  ])("nothing may go: %s", (_name, expected, desired, healthy) => {
    const found = status(expected, desired, healthy);
    expect(found.disruptionsAllowed).toBe(0);
    expect(found.conditions).toMatchObject([{ status: "False", reason: "InsufficientPods" }]);
  });

  test("a condition keeps its time while its status stays, and others stay beside it", () => {
    const other = {
      type: "Other",
      status: "True",
      reason: "R",
      message: "",
      lastTransitionTime: NOW,
    };
    const asked = budget({});
    asked.status!.conditions = [other];
    const wanted = { expectedPods: 1, desiredHealthy: 0 };
    asked.status = statusOf(asked, wanted, 1, NONE, NOW_MS);
    const later = statusOf(asked, wanted, 1, NONE, NOW_MS + 60_000);
    expect(later).toEqual(asked.status);
    expect(later.conditions?.[0]).toEqual(other);
    const failed = failedStatus(asked, "no", NOW_MS + 60_000);
    expect(failed).toMatchObject({ disruptionsAllowed: 0, expectedPods: 1, currentHealthy: 1 });
    expect(failed.conditions?.[1]).toMatchObject({
      status: "False",
      reason: "SyncFailed",
      message: "no",
      lastTransitionTime: timeText(NOW_MS + 60_000),
    });
  });
});

describe("staleIn_ms", () => {
  const marked = (reason: string, more: Partial<Pod["metadata"]> = {}, phase = "Running"): Pod => {
    const made = pod("p");
    const condition = { type: "DisruptionTarget", status: "True", reason, lastTransitionTime: NOW };
    return {
      ...made,
      metadata: { ...made.metadata, ...more },
      status: { phase: phase as "Running", conditions: [condition] },
    };
  };
  test.each([
    ["a mark is believed for two minutes", marked("EvictionByEvictionAPI"), DISRUPTION_TARGET_MS],
    ["a kubelet takes its time", marked("TerminationByKubelet"), undefined],
    ["it is going", marked("x", { deletionTimestamp: NOW }), undefined],
    ["it has ended", marked("x", {}, "Failed"), undefined],
    ["no mark", pod("p"), undefined],
  ])("%s", (_name, given, expected) => expect(staleIn_ms(given, NOW_MS)).toBe(expected));

  test("a mark is taken back for the generation that was seen", () => {
    const taken = withoutMark(marked("x", { generation: 2 }), NOW_MS);
    expect(taken.status?.conditions).toEqual([
      { type: "DisruptionTarget", status: "False", observedGeneration: 2, lastTransitionTime: NOW },
    ]);
  });

  test("a mark that nothing came of is stale at once when it is old", () => {
    expect(staleIn_ms(marked("x"), NOW_MS + DISRUPTION_TARGET_MS + 1)).toBe(0);
  });
});
