import type { Job, PodFailurePolicy } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { describe, expect, test } from "vitest";
import { JOB_PODS_BURST } from "../limits.ts";
import { evaluate } from "./evaluate.ts";
import {
  contains,
  firstFree,
  intervalsText,
  overlap,
  parseIntervals,
  total,
  union,
} from "./intervals.ts";
import { COMPLETION_INDEX, FAILURES, TRACKING } from "./job-pods.ts";
import { podOf } from "./pod-of.ts";
import { planPods } from "./pods-plan.ts";
import { judgeFailure, successMessage } from "./policies.ts";
import { NO_FAILURES, nextBackoff, remainingBackoff_ms } from "./retry-delay.ts";
import { countReleased, track } from "./tracking.ts";

const NOW_MS = Date.parse("2026-01-01T00:10:00Z");
const SECOND_MS = 1000;

function job(spec: Partial<Job["spec"]> = {}, status: Job["status"] = {}): Job {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { namespace: "ns", name: "j", uid: "j" },
    spec: { parallelism: 1, backoffLimit: 6, template: {}, ...spec },
    status,
  };
}

interface Shape {
  phase?: "Pending" | "Running" | "Succeeded" | "Failed";
  index?: number;
  failures?: number;
  tracked?: boolean;
  deleted?: boolean;
  ago_s?: number;
  exitCode?: number;
}

function pod(uid: string, shape: Shape = {}): Pod {
  const { phase = "Running", index, failures, tracked = true, deleted, ago_s = 0 } = shape;
  const finishedAt = timeText(NOW_MS - ago_s * SECOND_MS);
  const exitCode = shape.exitCode ?? (phase === "Failed" ? 1 : 0);
  const state =
    phase === "Succeeded" || phase === "Failed"
      ? { terminated: { exitCode, finishedAt } }
      : { running: {} };
  return {
    metadata: {
      namespace: "ns",
      name: uid,
      uid,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(tracked && { finalizers: [TRACKING] }),
      ...(deleted && { deletionTimestamp: finishedAt }),
      annotations: {
        ...(index !== undefined && { [COMPLETION_INDEX]: String(index) }),
        ...(failures !== undefined && { [FAILURES]: String(failures) }),
      },
    },
    spec: { containers: [] },
    status: {
      phase,
      containerStatuses: [
        { name: "c", image: "c", imageID: "c", ready: false, restartCount: 0, state },
      ],
    },
  };
}

const indexed = (spec: Partial<Job["spec"]> = {}) =>
  ({ completionMode: "Indexed", completions: 5, parallelism: 5, ...spec }) as const;

function planned(of: Job, pods: Pod[]): unknown {
  const plan = planPods(of, evaluate(of, pods, NO_FAILURES, NOW_MS), NOW_MS);
  if (plan.do !== "delete") return plan;
  return { do: "delete", pods: plan.pods.map(({ metadata }) => metadata.uid) };
}

describe("intervals", () => {
  test.each([
    ["0-2,5", 9, "0-2,5"],
    ["0,1,2", 9, "0-2"],
    ["0,1", 9, "0,1"],
    ["3-8", 5, "3,4"],
    ["x,1,7", 5, "1"],
    ["", 5, ""],
  ])("%j of %d is %j", (text, completions, same) => {
    expect(intervalsText(parseIntervals(text, completions))).toBe(same);
  });
  test("are counted, joined and filled up", () => {
    const [a, b] = [parseIntervals("0-3,8", 9), parseIntervals("2-5", 9)];
    expect(total(a)).toBe(5);
    expect(intervalsText(union(a, b))).toBe("0-5,8");
    expect(overlap(a, b)).toBe(2);
    expect([0, 3, 4, 7, 8, 9].filter((index) => contains(a, index))).toEqual([0, 3, 8]);
    expect(firstFree(a, 3, 9)).toEqual([4, 5, 6]);
    expect(firstFree(a, 9, 9)).toEqual([4, 5, 6, 7]);
    expect(firstFree([], 2, 9)).toEqual([0, 1]);
  });
});

describe("the pause after failures", () => {
  const failed = (ago_s: number) => pod(`f${ago_s}`, { phase: "Failed", ago_s });
  test("doubles from ten seconds to ten minutes", () => {
    const pauses = [1, 2, 3, 7, 50].map(
      (failures) => remainingBackoff_ms({ failures, last_ms: NOW_MS }, NOW_MS) / SECOND_MS,
    );
    expect(pauses).toEqual([10, 20, 40, 600, 600]);
    expect(remainingBackoff_ms(NO_FAILURES, NOW_MS)).toBe(0);
  });
  test("counts from the last failure, and again after a success", () => {
    const first = nextBackoff(NO_FAILURES, [], [failed(30), failed(4)]);
    expect(first).toEqual({ failures: 2, last_ms: NOW_MS - 4 * SECOND_MS });
    expect(remainingBackoff_ms(first, NOW_MS)).toBe(16 * SECOND_MS);
    const good = pod("s", { phase: "Succeeded", ago_s: 10 });
    expect(nextBackoff(first, [good], [failed(30), failed(4)]).failures).toBe(1);
    expect(nextBackoff(first, [good], [failed(30)])).toEqual(NO_FAILURES);
  });
});

describe("the number of pods", () => {
  test("as many as the fields hold: a burst at once", () => {
    const most = { parallelism: 2 ** 31 - 1, completions: 2 ** 31 - 1 };
    const burst = (first: number) =>
      Array.from({ length: JOB_PODS_BURST }, (_, place) => first + place);
    expect(planned(job(indexed(most)), [])).toEqual({ do: "create", indexes: burst(0) });
    expect(planned(job(indexed(most), { completedIndexes: "0-2000000000" }), [])).toEqual({
      do: "create",
      indexes: burst(2_000_000_001),
    });
    expect(planned(job(most), [])).toEqual({
      do: "create",
      indexes: burst(0).map(() => undefined),
    });
  });

  test("is what is missing of the completions, and not more at once than allowed", () => {
    const three = job({ completions: 3, parallelism: 2 });
    expect(planned(three, [])).toEqual({ do: "create", indexes: [undefined, undefined] });
    const done = ["a", "b"].map((uid) => pod(uid, { phase: "Succeeded" }));
    expect(planned(three, done)).toEqual({ do: "create", indexes: [undefined] });
    expect(planned(three, [...done, pod("c")])).toEqual({ do: "nothing" });
  });
  test("waits after a failure, and does not for an index without one", () => {
    const one = job({ completions: 1 });
    const failed = pod("a", { phase: "Failed", index: 0, failures: 0, ago_s: 4 });
    expect(planned(one, [failed])).toEqual({ do: "wait", again_ms: 6 * SECOND_MS });
    const each = job(indexed({ completions: 2, backoffLimitPerIndex: 3 }));
    expect(planned(each, [failed])).toEqual({ do: "create", indexes: [1] });
    const running = pod("b", { index: 1 });
    expect(planned(each, [failed, running])).toEqual({ do: "wait", again_ms: 6 * SECOND_MS });
  });
  test("falls with the parallelism: what runs least goes first", () => {
    const pods = [pod("a"), pod("b", { phase: "Pending" }), pod("c")];
    expect(planned(job({ completions: 5, parallelism: 2 }), pods)).toEqual({
      do: "delete",
      pods: ["b"],
    });
    expect(planned(job({ suspend: true }), pods)).toMatchObject({ pods: ["a", "b", "c"] });
  });
  test("has one pod for an index, and none for one that there is not", () => {
    const pods = [
      pod("a", { index: 0 }),
      pod("b", { index: 0, phase: "Pending" }),
      pod("c", { index: 9 }),
    ];
    expect(planned(job(indexed()), pods)).toEqual({ do: "delete", pods: ["c", "b"] });
    expect(planned(job(indexed()), [pods[0]!])).toEqual({ do: "create", indexes: [1, 2, 3, 4] });
  });
  test("replaces a pod on its way out at once, or when it has ended", () => {
    const leaving = pod("a", { deleted: true });
    const one = { completions: 1, podReplacementPolicy: "TerminatingOrFailed" } as const;
    expect(planned(job(one), [leaving])).toMatchObject({ do: "wait" });
    const failed = { ...one, podReplacementPolicy: "Failed" } as const;
    expect(planned(job(failed), [leaving])).toEqual({ do: "nothing" });
  });
});

describe("rules about failures", () => {
  const rule = (action: "Ignore" | "Count" | "FailJob" | "FailIndex", values: number[]) =>
    ({ action, onExitCodes: { operator: "In", values } }) as const;
  const policy: PodFailurePolicy = {
    rules: [
      rule("Ignore", [3]),
      rule("FailJob", [4]),
      rule("FailIndex", [5]),
      { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
    ],
  };
  const failed = (exitCode: number) => pod("p", { phase: "Failed", exitCode });
  test("the first that matches decides", () => {
    expect(judgeFailure(policy, failed(3))).toEqual({ counts: false, action: "Ignore" });
    expect(judgeFailure(policy, failed(4))).toMatchObject({
      counts: true,
      failsJob: "Container c for pod ns/p failed with exit code 4 matching FailJob rule at index 1",
    });
    expect(judgeFailure(policy, failed(5))).toEqual({ counts: true, action: "FailIndex" });
    expect(judgeFailure(policy, failed(6))).toEqual({ counts: true });
    const disrupted = failed(6);
    disrupted.status!.conditions = [{ type: "DisruptionTarget", status: "True" }];
    expect(judgeFailure(policy, disrupted)).toEqual({ counts: false, action: "Ignore" });
  });
  test("looks for the exit codes of all containers in one pass over a rule's", () => {
    let reads = 0;
    const codes = Array.from({ length: 255 }, (_, at) => at + 256);
    const values = new Proxy(codes, {
      get(target, key, receiver) {
        if (key === "0") reads++;
        return Reflect.get(target, key, receiver);
      },
    });
    const onExitCodes = { operator: "In" as const, values };
    const rare = { rules: [{ action: "FailJob" as const, onExitCodes }] };
    const pods = Array.from({ length: 10 }, () => failed(7));
    expect(pods.map((each) => judgeFailure(rare, each).counts)).not.toContain(false);
    expect(reads).toBe(1);
  });
  test("an ignored failure is none of the limit", () => {
    const strict = job({ backoffLimit: 0, podFailurePolicy: policy });
    expect(evaluate(strict, [failed(3)], NO_FAILURES, NOW_MS).ending).toBe(undefined);
    expect(evaluate(strict, [failed(6)], NO_FAILURES, NOW_MS).ending?.reason).toBe(
      "BackoffLimitExceeded",
    );
  });
  test.each([
    [{ succeededIndexes: "0,2" }, "0-2", "Matched rules at index 0"],
    [{ succeededIndexes: "0,3" }, "0-2", undefined],
    [{ succeededIndexes: "0,3-4", succeededCount: 1 }, "0-2", "Matched rules at index 0"],
    [{ succeededCount: 3 }, "0-2", "Matched rules at index 0"],
    [{ succeededCount: 4 }, "0-2", undefined],
  ])("success by %j with %s", (rule, done, message) => {
    expect(successMessage({ rules: [rule] }, parseIntervals(done, 5), 5)).toBe(message);
  });
});

describe("counting", () => {
  const uncounted = (uids: string[]) => ({ uncountedTerminatedPods: { succeeded: uids } });
  test("first writes the uids, and counts them when their pods are let go", () => {
    const two = job({ completions: 2 });
    const pods = [pod("a", { phase: "Succeeded" }), pod("b")];
    const { status, release } = track(two, evaluate(two, pods, NO_FAILURES, NOW_MS), undefined, 0);
    expect(status).toEqual(uncounted(["a"]));
    expect(release).toEqual([pods[0]]);
    const let_go = [pod("a", { phase: "Succeeded", tracked: false }), pod("b")];
    expect(countReleased(status, let_go)).toEqual({ succeeded: 1, uncountedTerminatedPods: {} });
  });
  test("counts none twice that is in the status, tracked or not", () => {
    const two = job({ completions: 2 }, uncounted(["a", "gone"]));
    const pods = [pod("a", { phase: "Succeeded" })];
    const evaluation = evaluate(two, pods, NO_FAILURES, NOW_MS);
    expect(evaluation.succeeded).toBe(2);
    expect(track(two, evaluation, undefined, 0).status).toEqual({
      succeeded: 1,
      ...uncounted(["a"]),
    });
  });
  test("keeps a failed pod of an index until the next one has its count", () => {
    const each = job(indexed({ backoffLimitPerIndex: 2 }));
    const failed = pod("a", { phase: "Failed", index: 1, failures: 0 });
    const evaluation = evaluate(each, [failed], NO_FAILURES, NOW_MS);
    expect(track(each, evaluation, undefined, 0).release).toEqual([]);
    const next = podOf(each, 1, evaluation.indexes?.awaited.get(1));
    expect(next.metadata.annotations?.[FAILURES]).toBe("1");
    const both = evaluate(each, [failed, pod("b", { index: 1, failures: 1 })], NO_FAILURES, 0);
    expect(track(each, both, undefined, 0).release).toEqual([failed]);
  });
  test("at a failure what still runs counts as failed, at a success it does not", () => {
    const limited = job({ backoffLimit: 0, parallelism: 2 });
    const pods = [pod("a", { phase: "Failed" }), pod("b")];
    const evaluation = evaluate(limited, pods, NO_FAILURES, NOW_MS);
    const { status, final } = track(limited, evaluation, evaluation.ending, NOW_MS);
    expect(status.uncountedTerminatedPods).toEqual({ failed: ["a", "b"] });
    expect([status.conditions?.[0]?.type, final?.type]).toEqual(["FailureTarget", "Failed"]);
    const success = { ...evaluation.ending!, type: "SuccessCriteriaMet" };
    expect(track(limited, evaluation, success, NOW_MS).status.uncountedTerminatedPods).toEqual({
      failed: ["a"],
    });
  });
});
