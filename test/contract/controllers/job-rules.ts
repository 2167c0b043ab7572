import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { ObjectName } from "@raft2kube/client-kube/object/object.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { PlaneAccess } from "./control-plane.ts";
import { ending, JobFixture, TIMEOUT_MS } from "./job-fixture.ts";

const TRACKING = "batch.kubernetes.io/job-tracking";
const REACHED = ending(
  "Complete",
  "CompletionsReached",
  "Reached expected number of succeeded pods",
);

/** The rules of every job controller, on every apiserver. */
export function jobRules(given: () => PlaneAccess): void {
  let fixture: JobFixture;
  beforeAll(async () => {
    fixture = new JobFixture(given());
    await fixture.start("jobs-node");
  }, TIMEOUT_MS);
  afterAll(() => fixture?.close(), TIMEOUT_MS);

  it("three completions, two at a time", () => completions(fixture));
  it("a pod that fails too often", () => backoffLimit(fixture));
  it("one success is enough without completions, and the rest runs on", () => workQueue(fixture));
  it("an Indexed job: each index once, in label, annotation, host name", () => indexed(fixture));
  it("a limit per index: the other indexes go on", () => perIndex(fixture));
  it("more failed indexes than are borne", () => maxFailedIndexes(fixture));
  it("an exit code that fails the job at once", () => failJob(fixture));
  it("an exit code that fails its index at once", () => failIndex(fixture));
  it("indexes that are enough: the rest is stopped and is no failure", () =>
    successPolicy(fixture));
  it("suspended, resumed, suspended", () => suspended(fixture));
  it("one that another controller manages", () => managedElsewhere(fixture));
  it("a deadline", () => deadline(fixture));
  it("fewer at a time: pods go and are no failures", () => scaledDown(fixture));
  it("a pod that is being deleted is replaced at once, or when it has ended", () =>
    replaced(fixture));
  it("a finished job is deleted with its pods after its time", () => timeToLive(fixture));
  it("pods outlive a job that is deleted without them, and are let go", () => orphaned(fixture));
  it("another job adopts pods that its selector matches, and tracks them", () => heir(fixture));
}

async function completions(fixture: JobFixture): Promise<void> {
  const spec = { completions: 3, parallelism: 2 };
  const { metadata } = await fixture.create("three", { all: 0 }, spec);
  const { conditions, counts, status } = await fixture.ended("three");
  expect(conditions).toEqual(REACHED);
  expect(counts).toEqual({ succeeded: 3 });
  expect(status).toMatchObject({ ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(Date.parse(status.completionTime!)).toBeGreaterThanOrEqual(Date.parse(status.startTime!));
  const pods = await fixture.pods("three");
  expect(pods).toHaveLength(3);
  for (const pod of pods) {
    expect(pod.metadata.name).toMatch(/^three-[a-z0-9]{5}$/);
    expect(pod.metadata.finalizers).toBe(undefined);
    expect(pod.metadata.labels).toMatchObject({
      "job-name": "three",
      "batch.kubernetes.io/job-name": "three",
      "controller-uid": metadata.uid,
      "batch.kubernetes.io/controller-uid": metadata.uid,
    });
  }
  await fixture.event("three", "SuccessfulCreate", `Created pod: ${pods[0]!.metadata.name}`);
  await fixture.event("three", "Completed", "Job completed");
}

async function backoffLimit(fixture: JobFixture): Promise<void> {
  await fixture.create("fails", { all: 1 }, { backoffLimit: 0 });
  const { conditions, counts } = await fixture.ended("fails");
  const message = "Job has reached the specified backoff limit";
  expect(conditions).toEqual(ending("Failed", "BackoffLimitExceeded", message));
  expect(counts).toEqual({ failed: 1 });
  await fixture.event("fails", "BackoffLimitExceeded", message);
  await fixture.released("fails");
}

async function workQueue(fixture: JobFixture): Promise<void> {
  await fixture.create("queue", undefined, { parallelism: 2 });
  const [first, second] = await fixture.running("queue", 2);
  expect(first?.metadata.finalizers).toEqual([TRACKING]);
  const end = (pod: typeof first) =>
    endPod(fixture, { namespace: "default", name: pod!.metadata.name! }, "Succeeded", 0);
  await end(first);
  await fixture.status("queue", ({ succeeded, active }) => succeeded === 1 && active === 1);
  expect(await fixture.pods("queue")).toHaveLength(2);
  await end(second);
  const { conditions, counts } = await fixture.ended("queue");
  expect([conditions, counts]).toEqual([REACHED, { succeeded: 2 }]);
}

/** Ends a pod, as its kubelet would have when it had just started. */
async function endPod(
  fixture: JobFixture,
  place: ObjectName,
  phase: "Succeeded" | "Failed",
  exitCode: number,
): Promise<void> {
  const pod = await fixture.podClient.get(place);
  const containerStatuses = pod.status?.containerStatuses?.map((each) => ({
    ...each,
    state: { terminated: { exitCode, finishedAt: pod.status?.startTime } },
  }));
  const status = { ...pod.status, phase, containerStatuses };
  await fixture.podClient.updateStatus({ ...pod, status });
}

async function indexed(fixture: JobFixture): Promise<void> {
  await fixture.create(
    "each",
    { all: 0 },
    { completionMode: "Indexed", completions: 3, parallelism: 3 },
  );
  const { conditions, counts } = await fixture.ended("each");
  expect([conditions, counts]).toEqual([REACHED, { succeeded: 3, completedIndexes: "0-2" }]);
  const pods = await fixture.pods("each");
  const key = "batch.kubernetes.io/job-completion-index";
  expect(pods.map(({ metadata }) => metadata.annotations?.[key]).sort()).toEqual(["0", "1", "2"]);
  for (const { metadata, spec } of pods) {
    const index = metadata.annotations?.[key];
    expect(metadata.labels?.[key]).toBe(index);
    expect(metadata.name).toMatch(new RegExp(`^each-${index}-[a-z0-9]{5}$`));
    expect(spec.hostname).toBe(`each-${index}`);
    const fieldRef = { apiVersion: "v1", fieldPath: `metadata.labels['${key}']` };
    expect(spec.containers[0]?.env).toEqual([
      { name: "JOB_COMPLETION_INDEX", valueFrom: { fieldRef } },
    ]);
  }
}

const INDEXED = { completionMode: "Indexed", completions: 3, parallelism: 3 } as const;

async function perIndex(fixture: JobFixture): Promise<void> {
  await fixture.create("limit", { all: 0, 1: 7 }, { ...INDEXED, backoffLimitPerIndex: 0 });
  const { conditions, counts } = await fixture.ended("limit");
  expect(conditions).toEqual(ending("Failed", "FailedIndexes", "Job has failed indexes"));
  expect(counts).toEqual({ succeeded: 2, failed: 1, completedIndexes: "0,2", failedIndexes: "1" });
  const failures = (await fixture.pods("limit")).map(
    ({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"],
  );
  expect(failures).toEqual(["0", "0", "0"]);
  await fixture.released("limit");
}

async function maxFailedIndexes(fixture: JobFixture): Promise<void> {
  await fixture.create(
    "most",
    { 0: 1, 1: 1 },
    { ...INDEXED, backoffLimitPerIndex: 0, maxFailedIndexes: 1 },
  );
  const { conditions, counts } = await fixture.ended("most");
  expect(conditions).toEqual(
    ending(
      "Failed",
      "MaxFailedIndexesExceeded",
      "Job has exceeded the specified maximal number of failed indexes",
    ),
  );
  expect(counts).toEqual({ failed: 3, failedIndexes: "0,1" });
}

async function failJob(fixture: JobFixture): Promise<void> {
  const onExitCodes = { operator: "In" as const, values: [42] };
  const podFailurePolicy = { rules: [{ action: "FailJob" as const, onExitCodes }] };
  await fixture.create("policy", { all: 42 }, { podFailurePolicy });
  const { conditions, counts } = await fixture.ended("policy");
  const [pod] = await fixture.pods("policy");
  const message =
    `Container c for pod default/${pod?.metadata.name} failed with exit code 42 ` +
    "matching FailJob rule at index 0";
  expect(conditions).toEqual(ending("Failed", "PodFailurePolicy", message));
  expect(counts).toEqual({ failed: 1 });
}

async function failIndex(fixture: JobFixture): Promise<void> {
  const onExitCodes = { operator: "In" as const, values: [42] };
  const podFailurePolicy = { rules: [{ action: "FailIndex" as const, onExitCodes }] };
  await fixture.create(
    "index",
    { all: 0, 2: 42 },
    { ...INDEXED, backoffLimitPerIndex: 5, podFailurePolicy },
  );
  const { conditions, counts } = await fixture.ended("index");
  expect(conditions).toEqual(ending("Failed", "FailedIndexes", "Job has failed indexes"));
  expect(counts).toEqual({ succeeded: 2, failed: 1, completedIndexes: "0,1", failedIndexes: "2" });
}

async function successPolicy(fixture: JobFixture): Promise<void> {
  await fixture.create(
    "enough",
    { 1: 0 },
    { ...INDEXED, successPolicy: { rules: [{ succeededIndexes: "1" }] } },
  );
  const { conditions, counts } = await fixture.ended("enough");
  expect(conditions).toEqual(ending("Complete", "SuccessPolicy", "Matched rules at index 0"));
  expect(counts).toEqual({ succeeded: 1, completedIndexes: "1" });
  await fixture.released("enough");
}

async function suspended(fixture: JobFixture): Promise<void> {
  await fixture.create("sleeps", undefined, { suspend: true, parallelism: 2 });
  const { status } = await fixture.status(
    "sleeps",
    ({ conditions = [] }) => conditions[0]?.type === "Suspended" && conditions[0].status === "True",
  );
  expect(status?.startTime).toBe(undefined);
  expect(await fixture.pods("sleeps")).toEqual([]);
  await fixture.patch("sleeps", { suspend: false });
  await fixture.running("sleeps", 2);
  const { status: awake } = await fixture.status("sleeps", ({ active }) => active === 2);
  expect(awake?.startTime).toBeDefined();
  await fixture.event("sleeps", "Resumed", "Job resumed");
  await fixture.patch("sleeps", { suspend: true });
  const { status: again } = await fixture.status(
    "sleeps",
    ({ active = 0, startTime }) => active === 0 && startTime === undefined,
  );
  expect(again?.failed).toBe(undefined);
  await fixture.until("its pods are gone", async () => (await fixture.pods("sleeps")).length === 0);
  await fixture.event("sleeps", "Suspended", "Job suspended");
}

async function managedElsewhere(fixture: JobFixture): Promise<void> {
  await fixture.create("theirs", { all: 0 }, { managedBy: "example.com/queue" });
  await fixture.create("ours", { all: 0 }, { managedBy: "kubernetes.io/job-controller" });
  await fixture.ended("ours");
  expect(await fixture.pods("theirs")).toEqual([]);
  expect((await fixture.get("theirs")).status).toEqual({});
}

async function deadline(fixture: JobFixture): Promise<void> {
  await fixture.create("late", undefined, { activeDeadlineSeconds: 1 });
  const { conditions, counts } = await fixture.ended("late");
  expect(conditions).toEqual(
    ending("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"),
  );
  expect(counts).toEqual({ failed: 1 });
}

async function scaledDown(fixture: JobFixture): Promise<void> {
  await fixture.create("fewer", undefined, { parallelism: 3, completions: 5 });
  await fixture.running("fewer", 3);
  await fixture.patch("fewer", { parallelism: 1 });
  await fixture.running("fewer", 1);
  const { status } = await fixture.status(
    "fewer",
    ({ active, terminating }) => active === 1 && terminating === 0,
  );
  expect(status?.failed).toBe(undefined);
}

const HOLD = "example.com/hold";

async function replaced(fixture: JobFixture): Promise<void> {
  const policies = { "at-once": "TerminatingOrFailed", "at-end": "Failed" } as const;
  const leaving = new Map<string, ObjectName>();
  for (const [name, podReplacementPolicy] of Object.entries(policies)) {
    await fixture.create(name, undefined, { podReplacementPolicy });
    const [pod] = await fixture.running(name, 1);
    const place = { namespace: "default", name: pod!.metadata.name! };
    const finalizers = [TRACKING, HOLD];
    await fixture.podClient.patch(place, "merge", { metadata: { finalizers } });
    await fixture.podClient.delete(place, { gracePeriodSeconds: 0 });
    leaving.set(name, place);
  }
  await fixture.running("at-once", 1);
  await fixture.status(
    "at-once",
    ({ active, terminating, failed }) => active === 1 && terminating === 1 && failed === 1,
  );
  // As long afterwards the other job has not replaced its pod, which is not counted yet either.
  const { status } = await fixture.get("at-end");
  expect(status).toMatchObject({ terminating: 1 });
  expect([status?.active, status?.failed]).toEqual([undefined, undefined]);
  expect(await fixture.pods("at-end")).toHaveLength(1);
  await endPod(fixture, leaving.get("at-end")!, "Failed", 1);
  await fixture.running("at-end", 1);
  await fixture.status(
    "at-end",
    ({ active, terminating, failed }) => active === 1 && terminating === 0 && failed === 1,
  );
  for (const [name, place] of leaving) {
    await fixture.podClient.patch(place, "merge", { metadata: { finalizers: null } });
    await fixture.jobs.delete({ namespace: "default", name }, { propagationPolicy: "Background" });
  }
}

async function timeToLive(fixture: JobFixture): Promise<void> {
  await fixture.create("short", { all: 0 }, { ttlSecondsAfterFinished: 0 });
  await fixture.until("the job is gone", async () => {
    try {
      await fixture.get("short");
      return false;
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      return true;
    }
  });
  await fixture.until("its pods are gone", async () => (await fixture.pods("short")).length === 0);
}

async function orphaned(fixture: JobFixture): Promise<void> {
  await fixture.create("left", undefined);
  const [pod] = await fixture.running("left", 1);
  const name = { namespace: "default", name: pod!.metadata.name! };
  const left = { namespace: "default", name: "left" };
  await fixture.jobs.delete(left, { propagationPolicy: "Orphan" });
  await fixture.until("the pod is let go", async () => {
    const { metadata } = await fixture.podClient.get(name);
    return metadata.ownerReferences === undefined && metadata.finalizers === undefined;
  });
}

async function heir(fixture: JobFixture): Promise<void> {
  const labels = { app: "job-heir" };
  const containers = [{ name: "c", image: "c:1" }];
  const spec = {
    parallelism: 2,
    manualSelector: true,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { restartPolicy: "Never" as const, containers } },
  };
  await fixture.create("job-heir", undefined, spec);
  const uids = (await fixture.running("job-heir", 2)).map(({ metadata }) => metadata.uid).sort();
  const name = { namespace: "default", name: "job-heir" };
  await fixture.jobs.delete(name, { propagationPolicy: "Orphan" });
  await fixture.until("the job to be gone", () =>
    fixture.get("job-heir").then(
      () => false,
      (thrown) => isNotFound(thrown),
    ),
  );
  const {
    metadata: { uid },
  } = await fixture.create("job-heir", undefined, spec);
  await fixture.until("two tracked pods", async () => {
    const pods = await fixture.pods("job-heir");
    return (
      pods.length === 2 &&
      pods.every(
        ({ metadata }) =>
          metadata.ownerReferences?.[0]?.uid === uid && metadata.finalizers?.includes(TRACKING),
      )
    );
  });
  expect((await fixture.pods("job-heir")).map(({ metadata }) => metadata.uid).sort()).toEqual(uids);
  await fixture.status("job-heir", ({ active }) => active === 2);
  await fixture.jobs.delete(name, { propagationPolicy: "Background" });
}
