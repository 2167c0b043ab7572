import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Taint } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { DAEMON_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  imagesOf, templateOf, templatePatch, TIMEOUT_MS, WorkloadTrial, type WorkloadWorld,
} from "./workload-trial.ts";

const TRIAL = "daemons";
const NODES = ["daemon-1", "daemon-2", "daemon-3"];
const HASH = "controller-revision-hash";

type Trial = WorkloadTrial<DaemonSet>;

/** The rules that every controller of DaemonSets keeps. */
export function daemonRules(given: () => WorkloadWorld): void {
  let trial: Trial;
  beforeAll(async () => {
    trial = new WorkloadTrial(given(), DAEMON_SETS);
    await trial.start(TRIAL, NODES);
  }, TIMEOUT_MS);
  afterAll(() => trial?.close(), TIMEOUT_MS);

  it("a pod on every node that its selector matches", () => everyNode(trial));
  it("a node that loses the label loses the pod, and gets one with it", () => labels(trial));
  it("taints: NoSchedule keeps those that run, NoExecute does not", () => taints(trial));
  it("a rolling update, one node at a time, and its undoing", () => rolling(trial));
  it("an update that surges has the new pod first", () => surging(trial));
  it("OnDelete waits for a deletion", () => onDelete(trial));
  it("a failed pod is replaced", () => failed(trial));
  it("minReadySeconds holds an update", () => minReady(trial));
  it("pods and revisions that a deletion orphaned are adopted", () => orphaned(trial));
  it("the history has its limit", () => history(trial));
}

function create(trial: Trial, name: string, spec: Partial<DaemonSet["spec"]> = {}) {
  return trial.create(name, {
    selector: { matchLabels: { app: name } },
    template: templateOf(TRIAL, name, "c:1"),
    ...spec,
  });
}

const counts = (count: number) => ({
  desiredNumberScheduled: count, currentNumberScheduled: count, numberReady: count,
  numberAvailable: count, updatedNumberScheduled: count, numberMisscheduled: 0,
  numberUnavailable: 0,
});

const update = (trial: Trial, name: string, image: string, shape = {}) =>
  trial.patch(name, { template: templatePatch(TRIAL, name, image, shape) });

async function everyNode(trial: Trial): Promise<void> {
  const { metadata } = await create(trial, "each");
  const pods = await trial.running("each", 3);
  expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(NODES);
  const [revision] = await trial.revisions("each");
  for (const pod of pods) {
    expect(pod.metadata.ownerReferences).toEqual([{
      apiVersion: "apps/v1", kind: "DaemonSet", name: "each", uid: metadata.uid,
      controller: true, blockOwnerDeletion: true,
    }]);
    expect(pod.metadata.labels).toEqual({
      app: "each", [HASH]: revision?.metadata.labels?.[HASH], "pod-template-generation": "1",
    });
    const required = pod.spec.affinity?.nodeAffinity
      ?.requiredDuringSchedulingIgnoredDuringExecution;
    expect(required?.nodeSelectorTerms).toEqual([{
      matchFields: [{ key: "metadata.name", operator: "In", values: [pod.spec.nodeName] }],
    }]);
    const names = pod.spec.tolerations?.map(({ key, effect }) =>
      `${key?.replace("node.kubernetes.io/", "")}:${effect}`);
    expect(names?.sort()).toEqual([
      "disk-pressure:NoSchedule", "memory-pressure:NoSchedule", "not-ready:NoExecute",
      "pid-pressure:NoSchedule", "unreachable:NoExecute", "unschedulable:NoSchedule",
    ]);
  }
  await trial.status("each", counts(3));
  expect(revision?.metadata.name).toBe(`each-${revision?.metadata.labels?.[HASH]}`);
  expect(revision?.revision).toBe(1);
  await trial.event("each", "SuccessfulCreate", /^Created pod: each-/);
}

async function labels(trial: Trial): Promise<void> {
  const label = (value: string | null) => trial.nodes.patch({ name: "daemon-3" }, "merge",
    { metadata: { labels: { special: value } } });
  const template = templateOf(TRIAL, "special", "c:1");
  template.spec!.nodeSelector = { trial: TRIAL, special: "yes" };
  await create(trial, "special", { template });
  await trial.status("special", counts(0));
  await label("yes");
  const [pod] = await trial.running("special", 1);
  expect(pod?.spec.nodeName).toBe("daemon-3");
  await label(null);
  await trial.running("special", 0);
  await trial.status("special", counts(0));
}

async function taints(trial: Trial): Promise<void> {
  const set = (taint: Taint[]) => trial.nodes.patch({ name: "daemon-1" }, "merge",
    { spec: { taints: taint } });
  await create(trial, "tainted");
  await trial.running("tainted", 3);
  await set([{ key: "k", effect: "NoSchedule" }]);
  // Upstream's does not look at a set again for a taint that keeps its pods.
  await trial.patch("tainted", { revisionHistoryLimit: 9 });
  await trial.status("tainted", {
    desiredNumberScheduled: 2, currentNumberScheduled: 2, numberMisscheduled: 1, numberReady: 2,
  } as DaemonSet["status"]);
  await trial.running("tainted", 3);
  await set([{ key: "k", effect: "NoExecute" }]);
  const pods = await trial.running("tainted", 2);
  expect(pods.some(({ spec }) => spec.nodeName === "daemon-1")).toBe(false);
  await set([]);
  await trial.running("tainted", 3);
  await trial.status("tainted", counts(3));
}

async function rolling(trial: Trial): Promise<void> {
  await create(trial, "rolls");
  await trial.running("rolls", 3);
  await update(trial, "rolls", "c:2", { unready: true });
  await trial.status("rolls", {
    updatedNumberScheduled: 1, numberAvailable: 2, numberUnavailable: 1,
  } as DaemonSet["status"]);
  const half = await trial.running("rolls", 3);
  expect(imagesOf(half).sort()).toEqual(["c:1", "c:1", "c:2"]);
  await update(trial, "rolls", "c:3");
  await trial.status("rolls", counts(3));
  expect(imagesOf(await trial.pods("rolls"))).toEqual(["c:3", "c:3", "c:3"]);
  await update(trial, "rolls", "c:1");
  await trial.status("rolls", counts(3));
  const revisions = await trial.revisions("rolls");
  expect(revisions.map(({ revision }) => revision)).toEqual([2, 3, 4]);
  const first = revisions.at(-1)?.metadata;
  expect((await trial.pods("rolls")).map(({ metadata }) => metadata.labels?.[HASH]))
    .toEqual([1, 2, 3].map(() => first?.labels?.[HASH]));
}

async function surging(trial: Trial): Promise<void> {
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await create(trial, "surges", { updateStrategy: { type: "RollingUpdate", rollingUpdate } });
  const first = await trial.running("surges", 3);
  // Of two pods of a node the older one counts; of two of the same second their names decide.
  const made_ms = Math.max(...first.map(({ metadata }) => timeOf(metadata.creationTimestamp) ?? 0));
  const { clock } = trial.world;
  await waitFor("the next second", async () => clock.now() >= made_ms + 1_000,
    { clock, timeout_ms: TIMEOUT_MS });
  await update(trial, "surges", "c:2", { unready: true });
  const four = await trial.running("surges", 4);
  expect(imagesOf(four).sort()).toEqual(["c:1", "c:1", "c:1", "c:2"]);
  await trial.status("surges", { numberAvailable: 3 } as DaemonSet["status"]);
  await update(trial, "surges", "c:3");
  await trial.status("surges", counts(3));
  await trial.podsUntil("surges", "three new pods", (pods) =>
    imagesOf(pods).join() === "c:3,c:3,c:3");
}

async function onDelete(trial: Trial): Promise<void> {
  await create(trial, "waits", { updateStrategy: { type: "OnDelete" } });
  const pods = await trial.running("waits", 3);
  await update(trial, "waits", "c:2");
  await trial.status("waits", { updatedNumberScheduled: 0, numberReady: 3 } as DaemonSet["status"]);
  await trial.podClient.delete({ namespace: "default", name: pods[0]!.metadata.name! });
  await trial.podsUntil("waits", "one new pod", (all) =>
    imagesOf(all).sort().join() === "c:1,c:1,c:2");
  await trial.status("waits", { updatedNumberScheduled: 1, numberReady: 3 } as DaemonSet["status"]);
}

async function failed(trial: Trial): Promise<void> {
  const template = templateOf(TRIAL, "fails", "c:1", { exit: 1 });
  template.spec!.nodeName = "daemon-2";
  await create(trial, "fails", { template });
  await trial.event("fails", "FailedDaemonPod",
    /^Found failed daemon pod default\/fails-\w+ on node daemon-2, will try to kill it$/);
  await trial.event("fails", "SuccessfulDelete");
  await trial.delete("fails", "Background");
}

async function minReady(trial: Trial): Promise<void> {
  await create(trial, "slow", { minReadySeconds: 600 });
  await trial.running("slow", 3);
  await trial.status("slow", { numberReady: 3, numberAvailable: 0 } as DaemonSet["status"]);
  await trial.patch("slow", { minReadySeconds: 0 });
  await trial.status("slow", counts(3));
}

async function orphaned(trial: Trial): Promise<void> {
  await create(trial, "daemon-heir");
  const uids = (await trial.running("daemon-heir", 3)).map(({ metadata }) => metadata.uid);
  const [before] = await trial.revisions("daemon-heir");
  await trial.delete("daemon-heir", "Orphan");
  const { metadata } = await create(trial, "daemon-heir");
  const pods = await trial.podsUntil("daemon-heir", "adopted pods", (all) => all.length === 3 &&
    all.every((pod) => pod.metadata.ownerReferences?.[0]?.uid === metadata.uid));
  expect(pods.map((pod) => pod.metadata.uid)).toEqual(uids);
  await trial.status("daemon-heir", counts(3));
  const revisions = await trial.revisions("daemon-heir");
  expect(revisions.map((each) => each.metadata.uid)).toEqual([before?.metadata.uid]);
}

async function history(trial: Trial): Promise<void> {
  await create(trial, "short", { revisionHistoryLimit: 1 });
  for (const image of ["c:2", "c:3", "c:4"]) {
    await update(trial, "short", image);
    await trial.status("short", counts(3));
  }
  await trial.until("two revisions", async () => (await trial.revisions("short")).length === 2);
  expect((await trial.revisions("short")).map(({ revision }) => revision)).toEqual([3, 4]);
}
