import type { Pod, PodPhase } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { expect, test } from "vitest";
import { AUTOSCALER_DEFAULTS } from "../autoscaler-settings.ts";
import { proposeByAverage, proposeByUtilization, type Question } from "./replicas.ts";

const NOW_MS = 1_700_000_000_000;
const MINUTE_MS = 60_000;

/** Pods that have long been ready, request one processor, and use `milli` of it. */
interface Case {
  readonly milli?: number | undefined;
  readonly ready?: "True" | "False" | "never";
  readonly phase?: PodPhase;
  readonly deleted?: true;
  readonly age_ms?: number;
  readonly request?: string;
}

function podOf(each: Case, index: number): Pod {
  const { ready = "True", phase = "Running", age_ms = 60 * MINUTE_MS, request = "1" } = each;
  const start_ms = NOW_MS - age_ms;
  // One that lost its readiness did so just now; one that never had it, at its start.
  const since_ms = ready === "False" ? NOW_MS - 1_000 : start_ms + 2_000;
  return {
    metadata: {
      name: `p${index}`,
      ...(each.deleted ? { deletionTimestamp: timeText(NOW_MS) } : {}),
    },
    spec: { containers: [{ name: "main", resources: { requests: { cpu: request } } }] },
    status: {
      phase,
      startTime: timeText(start_ms),
      conditions: [
        {
          type: "Ready",
          status: ready === "True" ? "True" : "False",
          lastTransitionTime: timeText(since_ms),
        },
      ],
    },
  };
}

function question(cases: readonly Case[], current = cases.length, resource = "cpu"): Question {
  const metrics = cases.flatMap(({ milli }, index) =>
    milli === undefined
      ? []
      : [[`p${index}`, { milli, time_ms: NOW_MS, window_ms: 15_000 }] as const],
  );
  return {
    pods: cases.map(podOf),
    metrics: new Map(metrics),
    resource,
    container: "",
    currentReplicas: current,
    tolerances: { up: 0.1, down: 0.1 },
    now_ms: NOW_MS,
    settings: AUTOSCALER_DEFAULTS,
  };
}

const uses = (...amounts: (number | undefined)[]): Case[] => amounts.map((milli) => ({ milli }));
const never = (milli: number): Case => ({ milli, ready: "never" });
const hot = (milli: number): Case => ({ milli, age_ms: 20_000, ready: "False" });

/** Pods, replicas of now, target in percent; then replicas and percent in use. */
const CASES: [string, Case[], number, number, number, number][] = [
  ["all above the target", uses(300, 500, 700), 3, 30, 5, 50],
  ["all below it", uses(100, 300, 500, 250, 250), 5, 50, 3, 28],
  ["within the tolerance", uses(1010, 1030, 1020), 3, 100, 3, 102],
  ["on the edge of the tolerance", uses(550, 550), 2, 50, 2, 55],
  ["beyond it", uses(560, 560), 2, 50, 3, 56],
  ["rounded up", uses(501, 501, 501, 501), 4, 40, 5, 50],
  ["an unready pod damps growth", [never(300), ...uses(500, 700)], 3, 30, 4, 60],
  ["unready pods prevent growth", [...uses(400), never(500), never(700)], 3, 30, 3, 40],
  ["a pod that has just started counts as unready", [hot(300), ...uses(500, 700)], 3, 30, 4, 60],
  [
    "unready pods do not count when shrinking",
    [...uses(100, 300, 500), never(250), never(250)],
    5,
    50,
    2,
    30,
  ],
  [
    "pending ones neither",
    [...uses(100, 300, 500), { phase: "Pending" }, { phase: "Pending" }],
    5,
    50,
    2,
    30,
  ],
  [
    "failed ones neither, when growing",
    [...uses(500, 700), { milli: 900, phase: "Failed" }],
    2,
    30,
    4,
    60,
  ],
  ["nor those that are deleted", [...uses(500, 700), { milli: 9, deleted: true }], 2, 30, 4, 60],
  [
    "a pod not measured counts as used up when shrinking",
    uses(400, 95, undefined, undefined),
    4,
    100,
    3,
    24,
  ],
  ["as its target, where that is more", uses(100, 100, undefined), 3, 200, 2, 10],
  ["as unused when growing: no turn", uses(1000, undefined), 2, 80, 2, 100],
  ["when shrinking: no turn", uses(400, undefined), 2, 50, 2, 40],
  ["growth in spite of both", [...uses(1000), never(100), {}], 3, 20, 5, 100],
  [
    "what was long ready and is not now still counts",
    [{ milli: 500, ready: "False" }, ...uses(500)],
    2,
    25,
    4,
    50,
  ],
  ["more pods than replicas, as in a rolling update", uses(100, 100), 1, 50, 1, 10],
];

test.each(CASES)("%s", (_name, cases, current, target, replicas, utilization) => {
  const proposal = proposeByUtilization(question(cases, current), target);
  expect(proposal).toMatchObject({ replicas, utilization });
});

test.each<[string, Case[], number, number, number, number]>([
  ["grows by the average", uses(20_000, 10_000, 30_000), 3, 15_000, 4, 20_000],
  ["shrinks by it", uses(12_000, 12_000, 12_000, 12_000, 12_000), 5, 20_000, 3, 12_000],
  ["a pod not measured uses the target when shrinking", uses(1_000, undefined), 2, 1_600, 2, 1_000],
  ["memory knows no unready pods", [never(2_000), ...uses(2_000)], 2, 1_000, 4, 2_000],
])("average: %s", (_name, cases, current, target, replicas, average_milli) => {
  const proposal = proposeByAverage(question(cases, current, "memory"), target);
  expect(proposal).toEqual({ replicas, average_milli });
});

test("the tolerance may differ by direction", () => {
  const wide = { ...question(uses(700, 700)), tolerances: { up: 0.5, down: 0 } };
  expect(proposeByUtilization(wide, 50).replicas).toBe(2);
  const down = { ...question(uses(490, 490, 490)), tolerances: { up: 0.5, down: 0.01 } };
  expect(proposeByUtilization(down, 50).replicas).toBe(3);
  const half = { ...down, tolerances: { up: 0.5, down: 0.5 } };
  expect(proposeByUtilization(half, 90).replicas).toBe(3);
  expect(proposeByUtilization(down, 90).replicas).toBe(2);
});

test.each<[string, Question, RegExp]>([
  ["no pods", question([]), /no pods returned by selector while calculating replica count/],
  ["only unready pods", question([never(100)]), /did not receive metrics for targeted pods/],
  [
    "a pod without a request",
    {
      ...question(uses(1)),
      pods: [
        {
          metadata: { name: "p0" },
          spec: { containers: [{ name: "main" }] },
          status: podOf({}, 0).status!,
        },
      ],
    },
    /missing request for cpu in container main of Pod p0/,
  ],
  [
    "an empty request",
    question([{ milli: 1, request: "0" }]),
    /no metrics returned matched known pods/,
  ],
  [
    "a container that is not there",
    { ...question(uses(1)), container: "other" },
    /container other not found in Pod p0/,
  ],
])("%s is no answer", (_name, asked, why) => {
  expect(() => proposeByUtilization(asked, 50)).toThrow(why);
});

test("a pod's own request goes before those of its containers, but for one container", () => {
  const pod = podOf({}, 0);
  const own: Pod = {
    ...pod,
    spec: { ...pod.spec, resources: { requests: { cpu: "4" } }, overhead: { cpu: "1" } },
  };
  const asked = { ...question(uses(1_000)), pods: [own] };
  expect(proposeByUtilization(asked, 50).utilization).toBe(20);
  expect(proposeByUtilization({ ...asked, container: "main" }, 50).utilization).toBe(100);
});

test("sums of memory beyond a double's integers are exact", () => {
  const bytes = 2 ** 43;
  const pods = [podOf({ request: String(bytes) }, 0)].map((pod) => ({
    ...pod,
    spec: { containers: [{ name: "main", resources: { requests: { memory: String(bytes) } } }] },
  }));
  const asked = { ...question(uses(bytes * 500), 1, "memory"), pods };
  expect(proposeByUtilization(asked, 50).utilization).toBe(50);
});

test("use of many times the request is within an int32, which the status keeps", () => {
  const { utilization, replicas } = proposeByUtilization(
    question([
      { milli: 1e12, request: "1m" },
      { milli: 1e12, request: "1m" },
    ]),
    50,
  );
  expect(utilization).toBe(2 ** 31 - 1);
  expect(replicas).toBeGreaterThan(1e6);
});
