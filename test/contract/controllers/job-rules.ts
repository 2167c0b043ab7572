import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { ObjectName } from "@raft2kube/client-kube/object/object.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ending, JobTrial, type JobWorld, TIMEOUT_MS } from "./job-trial.ts";

const TRACKING = "batch.kubernetes.io/job-tracking";
const REACHED = ending("Complete", "CompletionsReached",
  "Reached expected number of succeeded pods");

/** The rules of every job controller, on every apiserver. */
export function jobRules(given: () => JobWorld): void {
  let trial: JobTrial;
  beforeAll(async () => {
    trial = new JobTrial(given());
    await trial.start("jobs-node");
  }, TIMEOUT_MS);
  afterAll(() => trial?.close(), TIMEOUT_MS);

  it("three completions, two at a time", () => completions(trial));
  it("a pod that fails too often", () => backoffLimit(trial));
  it("one success is enough without completions, and the rest runs on", () => workQueue(trial));
  it("an Indexed job: each index once, in label, annotation, host name", () => indexed(trial));
  it("a limit per index: the other indexes go on", () => perIndex(trial));
  it("more failed indexes than are borne", () => maxFailedIndexes(trial));
  it("an exit code that fails the job at once", () => failJob(trial));
  it("an exit code that fails its index at once", () => failIndex(trial));
  it("indexes that are enough: the rest is stopped and is no failure", () => successPolicy(trial));
  it("suspended, resumed, suspended", () => suspended(trial));
  it("one that another controller manages", () => managedElsewhere(trial));
  it("a deadline", () => deadline(trial));
  it("fewer at a time: pods go and are no failures", () => scaledDown(trial));
  it("a pod that is being deleted is replaced at once, or when it has ended", () =>
    replaced(trial));
  it("a finished job is deleted with its pods after its time", () => timeToLive(trial));
  it("pods outlive a job that is deleted without them, and are let go", () => orphaned(trial));
  it("another job adopts pods that its selector matches, and tracks them", () => heir(trial));
}

async function completions(trial: JobTrial): Promise<void> {
  const { metadata } = await trial.create("three", { all: 0 }, { completions: 3, parallelism: 2 });
  const { conditions, counts, status } = await trial.ended("three");
  expect(conditions).toEqual(REACHED);
  expect(counts).toEqual({ succeeded: 3 });
  expect(status).toMatchObject({ ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(Date.parse(status.completionTime!)).toBeGreaterThanOrEqual(Date.parse(status.startTime!));
  const pods = await trial.pods("three");
  expect(pods).toHaveLength(3);
  for (const pod of pods) {
    expect(pod.metadata.name).toMatch(/^three-[a-z0-9]{5}$/);
    expect(pod.metadata.finalizers).toBe(undefined);
    expect(pod.metadata.labels).toMatchObject({
      "job-name": "three", "batch.kubernetes.io/job-name": "three",
      "controller-uid": metadata.uid, "batch.kubernetes.io/controller-uid": metadata.uid,
    });
  }
  await trial.event("three", "SuccessfulCreate", `Created pod: ${pods[0]!.metadata.name}`);
  await trial.event("three", "Completed", "Job completed");
}

async function backoffLimit(trial: JobTrial): Promise<void> {
  await trial.create("fails", { all: 1 }, { backoffLimit: 0 });
  const { conditions, counts } = await trial.ended("fails");
  const message = "Job has reached the specified backoff limit";
  expect(conditions).toEqual(ending("Failed", "BackoffLimitExceeded", message));
  expect(counts).toEqual({ failed: 1 });
  await trial.event("fails", "BackoffLimitExceeded", message);
  await trial.released("fails");
}

async function workQueue(trial: JobTrial): Promise<void> {
  await trial.create("queue", undefined, { parallelism: 2 });
  const [first, second] = await trial.running("queue", 2);
  expect(first?.metadata.finalizers).toEqual([TRACKING]);
  const end = (pod: typeof first) =>
    endPod(trial, { namespace: "default", name: pod!.metadata.name! }, "Succeeded", 0);
  await end(first);
  await trial.status("queue", ({ succeeded, active }) => succeeded === 1 && active === 1);
  expect(await trial.pods("queue")).toHaveLength(2);
  await end(second);
  const { conditions, counts } = await trial.ended("queue");
  expect([conditions, counts]).toEqual([REACHED, { succeeded: 2 }]);
}

/** Ends a pod, as its kubelet would have when it had just started. */
async function endPod(
  trial: JobTrial, place: ObjectName, phase: "Succeeded" | "Failed", exitCode: number,
): Promise<void> {
  const pod = await trial.podClient.get(place);
  const containerStatuses = pod.status?.containerStatuses?.map((each) => ({
    ...each, state: { terminated: { exitCode, finishedAt: pod.status?.startTime } },
  }));
  const status = { ...pod.status, phase, containerStatuses };
  await trial.podClient.updateStatus({ ...pod, status });
}

async function indexed(trial: JobTrial): Promise<void> {
  await trial.create("each", { all: 0 },
    { completionMode: "Indexed", completions: 3, parallelism: 3 });
  const { conditions, counts } = await trial.ended("each");
  expect([conditions, counts]).toEqual([REACHED, { succeeded: 3, completedIndexes: "0-2" }]);
  const pods = await trial.pods("each");
  const key = "batch.kubernetes.io/job-completion-index";
  expect(pods.map(({ metadata }) => metadata.annotations?.[key]).sort()).toEqual(["0", "1", "2"]);
  for (const { metadata, spec } of pods) {
    const index = metadata.annotations?.[key];
    expect(metadata.labels?.[key]).toBe(index);
    expect(metadata.name).toMatch(new RegExp(`^each-${index}-[a-z0-9]{5}$`));
    expect(spec.hostname).toBe(`each-${index}`);
    const fieldRef = { apiVersion: "v1", fieldPath: `metadata.labels['${key}']` };
    expect(spec.containers[0]?.env).toEqual(
      [{ name: "JOB_COMPLETION_INDEX", valueFrom: { fieldRef } }]);
  }
}

const INDEXED = { completionMode: "Indexed", completions: 3, parallelism: 3 } as const;

async function perIndex(trial: JobTrial): Promise<void> {
  await trial.create("limit", { all: 0, 1: 7 }, { ...INDEXED, backoffLimitPerIndex: 0 });
  const { conditions, counts } = await trial.ended("limit");
  expect(conditions).toEqual(ending("Failed", "FailedIndexes", "Job has failed indexes"));
  expect(counts).toEqual(
    { succeeded: 2, failed: 1, completedIndexes: "0,2", failedIndexes: "1" });
  const failures = (await trial.pods("limit")).map(({ metadata }) =>
    metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"]);
  expect(failures).toEqual(["0", "0", "0"]);
  await trial.released("limit");
}

async function maxFailedIndexes(trial: JobTrial): Promise<void> {
  await trial.create("most", { 0: 1, 1: 1 },
    { ...INDEXED, backoffLimitPerIndex: 0, maxFailedIndexes: 1 });
  const { conditions, counts } = await trial.ended("most");
  expect(conditions).toEqual(ending("Failed", "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes"));
  expect(counts).toEqual({ failed: 3, failedIndexes: "0,1" });
}

async function failJob(trial: JobTrial): Promise<void> {
  const onExitCodes = { operator: "In" as const, values: [42] };
  const podFailurePolicy = { rules: [{ action: "FailJob" as const, onExitCodes }] };
  await trial.create("policy", { all: 42 }, { podFailurePolicy });
  const { conditions, counts } = await trial.ended("policy");
  const [pod] = await trial.pods("policy");
  const message = `Container c for pod default/${pod?.metadata.name} failed with exit code 42 ` +
    "matching FailJob rule at index 0";
  expect(conditions).toEqual(ending("Failed", "PodFailurePolicy", message));
  expect(counts).toEqual({ failed: 1 });
}

async function failIndex(trial: JobTrial): Promise<void> {
  const onExitCodes = { operator: "In" as const, values: [42] };
  const podFailurePolicy = { rules: [{ action: "FailIndex" as const, onExitCodes }] };
  await trial.create("index", { all: 0, 2: 42 },
    { ...INDEXED, backoffLimitPerIndex: 5, podFailurePolicy });
  const { conditions, counts } = await trial.ended("index");
  expect(conditions).toEqual(ending("Failed", "FailedIndexes", "Job has failed indexes"));
  expect(counts).toEqual(
    { succeeded: 2, failed: 1, completedIndexes: "0,1", failedIndexes: "2" });
}

async function successPolicy(trial: JobTrial): Promise<void> {
  await trial.create("enough", { 1: 0 },
    { ...INDEXED, successPolicy: { rules: [{ succeededIndexes: "1" }] } });
  const { conditions, counts } = await trial.ended("enough");
  expect(conditions).toEqual(ending("Complete", "SuccessPolicy", "Matched rules at index 0"));
  expect(counts).toEqual({ succeeded: 1, completedIndexes: "1" });
  await trial.released("enough");
}

async function suspended(trial: JobTrial): Promise<void> {
  await trial.create("sleeps", undefined, { suspend: true, parallelism: 2 });
  const { status } = await trial.status("sleeps", ({ conditions = [] }) =>
    conditions[0]?.type === "Suspended" && conditions[0].status === "True");
  expect(status?.startTime).toBe(undefined);
  expect(await trial.pods("sleeps")).toEqual([]);
  await trial.patch("sleeps", { suspend: false });
  await trial.running("sleeps", 2);
  const { status: awake } = await trial.status("sleeps", ({ active }) => active === 2);
  expect(awake?.startTime).toBeDefined();
  await trial.event("sleeps", "Resumed", "Job resumed");
  await trial.patch("sleeps", { suspend: true });
  const { status: again } = await trial.status("sleeps", ({ active = 0, startTime }) =>
    active === 0 && startTime === undefined);
  expect(again?.failed).toBe(undefined);
  await trial.until("its pods are gone", async () => (await trial.pods("sleeps")).length === 0);
  await trial.event("sleeps", "Suspended", "Job suspended");
}

async function managedElsewhere(trial: JobTrial): Promise<void> {
  await trial.create("theirs", { all: 0 }, { managedBy: "example.com/queue" });
  await trial.create("ours", { all: 0 }, { managedBy: "kubernetes.io/job-controller" });
  await trial.ended("ours");
  expect(await trial.pods("theirs")).toEqual([]);
  expect((await trial.get("theirs")).status).toEqual({});
}

async function deadline(trial: JobTrial): Promise<void> {
  await trial.create("late", undefined, { activeDeadlineSeconds: 1 });
  const { conditions, counts } = await trial.ended("late");
  expect(conditions).toEqual(ending("Failed", "DeadlineExceeded",
    "Job was active longer than specified deadline"));
  expect(counts).toEqual({ failed: 1 });
}

async function scaledDown(trial: JobTrial): Promise<void> {
  await trial.create("fewer", undefined, { parallelism: 3, completions: 5 });
  await trial.running("fewer", 3);
  await trial.patch("fewer", { parallelism: 1 });
  await trial.running("fewer", 1);
  const { status } = await trial.status("fewer", ({ active, terminating }) =>
    active === 1 && terminating === 0);
  expect(status?.failed).toBe(undefined);
}

const HOLD = "example.com/hold";

async function replaced(trial: JobTrial): Promise<void> {
  const policies = { "at-once": "TerminatingOrFailed", "at-end": "Failed" } as const;
  const leaving = new Map<string, ObjectName>();
  for (const [name, podReplacementPolicy] of Object.entries(policies)) {
    await trial.create(name, undefined, { podReplacementPolicy });
    const [pod] = await trial.running(name, 1);
    const place = { namespace: "default", name: pod!.metadata.name! };
    const finalizers = [TRACKING, HOLD];
    await trial.podClient.patch(place, "merge", { metadata: { finalizers } });
    await trial.podClient.delete(place, { gracePeriodSeconds: 0 });
    leaving.set(name, place);
  }
  await trial.running("at-once", 1);
  await trial.status("at-once", ({ active, terminating, failed }) =>
    active === 1 && terminating === 1 && failed === 1);
  // As long afterwards the other job has not replaced its pod, which is not counted yet either.
  const { status } = await trial.get("at-end");
  expect(status).toMatchObject({ terminating: 1 });
  expect([status?.active, status?.failed]).toEqual([undefined, undefined]);
  expect(await trial.pods("at-end")).toHaveLength(1);
  await endPod(trial, leaving.get("at-end")!, "Failed", 1);
  await trial.running("at-end", 1);
  await trial.status("at-end", ({ active, terminating, failed }) =>
    active === 1 && terminating === 0 && failed === 1);
  for (const [name, place] of leaving) {
    await trial.podClient.patch(place, "merge", { metadata: { finalizers: null } });
    await trial.jobs.delete({ namespace: "default", name }, { propagationPolicy: "Background" });
  }
}

async function timeToLive(trial: JobTrial): Promise<void> {
  await trial.create("short", { all: 0 }, { ttlSecondsAfterFinished: 0 });
  await trial.until("the job is gone", async () => {
    try {
      await trial.get("short");
      return false;
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      return true;
    }
  });
  await trial.until("its pods are gone", async () => (await trial.pods("short")).length === 0);
}

async function orphaned(trial: JobTrial): Promise<void> {
  await trial.create("left", undefined);
  const [pod] = await trial.running("left", 1);
  const name = { namespace: "default", name: pod!.metadata.name! };
  await trial.jobs.delete({ namespace: "default", name: "left" }, { propagationPolicy: "Orphan" });
  await trial.until("the pod is let go", async () => {
    const { metadata } = await trial.podClient.get(name);
    return metadata.ownerReferences === undefined && metadata.finalizers === undefined;
  });
}

async function heir(trial: JobTrial): Promise<void> {
  const labels = { app: "job-heir" };
  const containers = [{ name: "c", image: "c:1" }];
  const spec = {
    parallelism: 2, manualSelector: true, selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { restartPolicy: "Never" as const, containers } },
  };
  await trial.create("job-heir", undefined, spec);
  const uids = (await trial.running("job-heir", 2)).map(({ metadata }) => metadata.uid).sort();
  const name = { namespace: "default", name: "job-heir" };
  await trial.jobs.delete(name, { propagationPolicy: "Orphan" });
  await trial.until("the job to be gone", () =>
    trial.get("job-heir").then(() => false, (thrown) => isNotFound(thrown)));
  const { metadata: { uid } } = await trial.create("job-heir", undefined, spec);
  await trial.until("two tracked pods", async () => {
    const pods = await trial.pods("job-heir");
    return pods.length === 2 && pods.every(({ metadata }) =>
      metadata.ownerReferences?.[0]?.uid === uid && metadata.finalizers?.includes(TRACKING));
  });
  expect((await trial.pods("job-heir")).map(({ metadata }) => metadata.uid).sort()).toEqual(uids);
  await trial.status("job-heir", ({ active }) => active === 2);
  await trial.jobs.delete(name, { propagationPolicy: "Background" });
}
