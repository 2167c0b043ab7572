import { describe, expect, it, onTestFinished, vi } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import { messageOfField } from "../../errors.ts";
import type { Job, JobStatus } from "../../gen/batch/v1.ts";
import { job } from "./job.ts";

const CONTEXT = { now_ms: 0 };
const START = "2026-01-01T00:00:00Z";
const END = "2026-01-01T00:01:00Z";

function made(spec: object = {}, status: object = {}): Job {
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "c:1" }] } };
  const { object } = decodeJson<Job>("batch/v1.Job", {
    metadata: { name: "once", namespace: "default", uid: "u", resourceVersion: "1" },
    spec: { template, ...spec },
  });
  job.strategy.defaults(object);
  job.strategy.prepareCreate(object, CONTEXT);
  object.status = structuredClone(status) as JobStatus;
  return object;
}

const conditions = (...types: string[]) => types.map((type) => ({ type, status: "True" }));

describe("the status of a Job", () => {
  const complaints = (old: object, next: object, spec: object = {}) =>
    job.subresources
      .status!.strategy!.validateUpdate(made(spec, next), made(spec, old), CONTEXT)
      .map(messageOfField)
      .join("\n");
  const done = {
    startTime: START,
    completionTime: END,
    succeeded: 1,
    conditions: conditions("SuccessCriteriaMet", "Complete"),
  };

  it("may run to its end", () => {
    expect(complaints({}, { startTime: START, active: 1, ready: 1 })).toBe("");
    expect(complaints({ startTime: START, active: 1 }, done)).toBe("");
    const failed = { failed: 1, conditions: conditions("FailureTarget", "Failed") };
    expect(complaints({ startTime: START }, { startTime: START, ...failed })).toBe("");
  });

  it.each<[string, object, object, object?]>([
    ["cannot disable the terminal Complete=True condition", done, { startTime: START }],
    [
      "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
      {},
      { ...done, conditions: conditions("Complete") },
    ],
    [
      "cannot set Failed=True condition without the FailureTarget=true condition",
      {},
      { startTime: START, conditions: conditions("Failed") },
    ],
    [
      "cannot set Complete=True and Failed=true conditions",
      {},
      { ...done, conditions: conditions("Complete", "Failed", "FailureTarget") },
    ],
    ["completionTime is required for Complete jobs", {}, { ...done, completionTime: undefined }],
    [
      "cannot set completionTime when there is no Complete=True condition",
      {},
      { startTime: START, completionTime: END },
    ],
    [
      "must be equal to or after `startTime`",
      {},
      { ...done, startTime: END, completionTime: START },
    ],
    ["startTime is required for finished job", {}, { ...done, startTime: undefined }],
    ["field is immutable for unsuspended job once set", { startTime: START }, { startTime: END }],
    ["active>0 is invalid for finished job", {}, { ...done, active: 1 }],
    ["terminating>0 is invalid for finished job", {}, { ...done, terminating: 1 }],
    ["must be empty for finished job", {}, { ...done, uncountedTerminatedPods: { failed: ["a"] } }],
    ["cannot set more ready pods than active", {}, { active: 1, ready: 2 }],
    ["cannot decrease the failed counter", { failed: 2 }, { failed: 1 }],
    ["cannot decrease the succeeded counter", { succeeded: 2 }, { succeeded: 1 }],
    ["when non-indexed completion mode", {}, { completedIndexes: "0" }],
    ["when backoffLimitPerIndex is null", {}, { failedIndexes: "0" }],
    [
      "failedIndexes and completedIndexes overlap at index: 2",
      {},
      { completedIndexes: "0-2", failedIndexes: "2,4" },
      { completionMode: "Indexed", completions: 5, backoffLimitPerIndex: 1 },
    ],
  ])("is refused: %s", (why, old, next, spec) => {
    expect(complaints(old, next, spec)).toContain(why);
  });

  it("may start again when the job is resumed; a value that was invalid before may stay", () => {
    const suspended = { startTime: START, conditions: conditions("Suspended") };
    const resumed = { startTime: END, conditions: [{ type: "Suspended", status: "False" }] };
    expect(complaints(suspended, resumed)).toBe("");
    const broken = { ...done, active: 3 };
    expect(complaints(broken, { ...broken, failed: 1 })).toBe("");
  });
});

describe("lists of a Job's indexes", () => {
  const everyOther = (first: number) =>
    Array.from({ length: 2_000 }, (_, at) => first + 2 * at).join(",");
  const indexed = { completionMode: "Indexed", completions: 5_000, backoffLimitPerIndex: 1 };

  it("that completed and failed are each read a few times, however many intervals they have", () => {
    const split = vi.spyOn(String.prototype, "split");
    onTestFinished(() => split.mockRestore());
    const status = { completedIndexes: everyOther(0), failedIndexes: everyOther(1) };
    const update = job.subresources.status!.strategy!.validateUpdate;
    expect(update(made(indexed, status), made(indexed), CONTEXT)).toEqual([]);
    expect(split.mock.calls.length).toBeLessThan(100);
    const overlapping = { ...status, failedIndexes: "1,7-8,9" };
    expect(update(made(indexed, overlapping), made(indexed), CONTEXT).map(messageOfField)).toEqual([
      expect.stringContaining("failedIndexes and completedIndexes overlap at index: 8"),
    ]);
  });

  it("that are enough have upstream's 64 KiB", () => {
    const enough = (succeededIndexes: string) => {
      const policy = { successPolicy: { rules: [{ succeededIndexes }] } };
      const spec = { ...indexed, completions: 100_000, ...policy };
      return job.strategy.validateCreate(made(spec), CONTEXT).map(messageOfField);
    };
    expect(enough(everyOther(0))).toEqual([]);
    expect(enough("0,".repeat(40_000))).toEqual([
      expect.stringContaining("successPolicy.rules[0].succeededIndexes: Too long"),
    ]);
  });
});

it("more exit codes than a rule may have are not compared with each other", () => {
  const onExitCodes = { operator: "In", values: Array.from({ length: 300 }, () => 1) };
  const podFailurePolicy = { rules: [{ action: "Count", onExitCodes }] };
  expect(
    job.strategy.validateCreate(made({ podFailurePolicy }), CONTEXT).map(messageOfField),
  ).toEqual([expect.stringContaining("onExitCodes.values: Too many")]);
});

describe("the template of a Job", () => {
  const where = { nodeSelector: { zone: "a" }, tolerations: [{ operator: "Exists" as const }] };
  const complaints = (old: Job, change: (job: Job) => void) => {
    const next = structuredClone(old);
    change(next);
    return job.strategy.validateUpdate(next, old, CONTEXT).map(messageOfField);
  };
  const direct = (next: Job) => Object.assign(next.spec.template.spec!, where);
  const idle = { conditions: conditions("Suspended") };

  it("may say where pods go, and what they get, while the job is suspended", () => {
    const old = made({ suspend: true }, idle);
    expect(complaints(old, direct)).toEqual([]);
    expect(
      complaints(old, (next) => {
        next.spec.template.spec!.containers[0]!.resources = { requests: { cpu: "1" } };
      }),
    ).toEqual([]);
    expect(
      complaints(old, (next) => {
        next.spec.template.spec!.containers[0]!.image = "c:2";
      }).join(),
    ).toContain("spec.template.spec: Invalid value");
  });

  it.each([
    ["runs", made()],
    ["is to be suspended but is not yet", made({ suspend: true })],
    ["has pods left", made({ suspend: true }, { ...idle, active: 1 })],
  ])("is fixed while the job %s", (_, old) => {
    expect(complaints(old, direct).join()).toContain("field is immutable");
  });
});
