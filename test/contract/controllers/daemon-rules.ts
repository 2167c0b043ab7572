import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Taint } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { DAEMON_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { PlaneAccess } from "./control-plane.ts";
import {
  controllerRef,
  imagesOf,
  TIMEOUT_MS,
  templateOf,
  templatePatch,
  WorkloadFixture,
} from "./workload-fixture.ts";

const FIXTURE = "daemons";
const NODES = ["daemon-1", "daemon-2", "daemon-3"];
const HASH = "controller-revision-hash";

type Fixture = WorkloadFixture<DaemonSet>;

/** The rules that every controller of DaemonSets keeps. */
export function daemonRules(given: () => PlaneAccess): void {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = new WorkloadFixture(given(), DAEMON_SETS);
    await fixture.start(FIXTURE, NODES);
  }, TIMEOUT_MS);
  afterAll(() => fixture?.close(), TIMEOUT_MS);

  it("a pod on every node that its selector matches", () => everyNode(fixture));
  it("a node that loses the label loses the pod, and gets one with it", () => labels(fixture));
  it("taints: NoSchedule keeps those that run, NoExecute does not", () => taints(fixture));
  it("a rolling update, one node at a time, and its undoing", () => rolling(fixture));
  it("an update that surges has the new pod first", () => surging(fixture));
  it("OnDelete waits for a deletion", () => onDelete(fixture));
  it("a failed pod is replaced", () => failed(fixture));
  it("minReadySeconds holds an update", () => minReady(fixture));
  it("pods and revisions that a deletion orphaned are adopted", () => orphaned(fixture));
  it("the history has its limit", () => history(fixture));
}

function create(fixture: Fixture, name: string, spec: Partial<DaemonSet["spec"]> = {}) {
  return fixture.create(name, {
    selector: { matchLabels: { app: name } },
    template: templateOf(FIXTURE, name, "c:1"),
    ...spec,
  });
}

const counts = (count: number) => ({
  desiredNumberScheduled: count,
  currentNumberScheduled: count,
  numberReady: count,
  numberAvailable: count,
  updatedNumberScheduled: count,
  numberMisscheduled: 0,
  numberUnavailable: 0,
});

const update = (fixture: Fixture, name: string, image: string, shape = {}) =>
  fixture.patch(name, { template: templatePatch(FIXTURE, name, image, shape) });

async function everyNode(fixture: Fixture): Promise<void> {
  const { metadata } = await create(fixture, "each");
  const pods = await fixture.running("each", 3);
  expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(NODES);
  const [revision] = await fixture.revisions("each");
  for (const pod of pods) {
    expect(pod.metadata.ownerReferences).toEqual([
      controllerRef("apps/v1", "DaemonSet", "each", metadata.uid),
    ]);
    expect(pod.metadata.labels).toEqual({
      app: "each",
      [HASH]: revision?.metadata.labels?.[HASH],
      "pod-template-generation": "1",
    });
    const required =
      pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    expect(required?.nodeSelectorTerms).toEqual([
      { matchFields: [{ key: "metadata.name", operator: "In", values: [pod.spec.nodeName] }] },
    ]);
    const names = pod.spec.tolerations?.map(
      ({ key, effect }) => `${key?.replace("node.kubernetes.io/", "")}:${effect}`,
    );
    expect(names?.sort()).toEqual([
      "disk-pressure:NoSchedule",
      "memory-pressure:NoSchedule",
      "not-ready:NoExecute",
      "pid-pressure:NoSchedule",
      "unreachable:NoExecute",
      "unschedulable:NoSchedule",
    ]);
  }
  await fixture.status("each", counts(3));
  expect(revision?.metadata.name).toBe(`each-${revision?.metadata.labels?.[HASH]}`);
  expect(revision?.revision).toBe(1);
  await fixture.event("each", "SuccessfulCreate", /^Created pod: each-/);
}

async function labels(fixture: Fixture): Promise<void> {
  const label = (value: string | null) =>
    fixture.nodes.patch({ name: "daemon-3" }, "merge", {
      metadata: { labels: { special: value } },
    });
  const template = templateOf(FIXTURE, "special", "c:1");
  template.spec!.nodeSelector = { fixture: FIXTURE, special: "yes" };
  await create(fixture, "special", { template });
  await fixture.status("special", counts(0));
  await label("yes");
  const [pod] = await fixture.running("special", 1);
  expect(pod?.spec.nodeName).toBe("daemon-3");
  await label(null);
  await fixture.running("special", 0);
  await fixture.status("special", counts(0));
}

async function taints(fixture: Fixture): Promise<void> {
  const set = (taint: Taint[]) =>
    fixture.nodes.patch({ name: "daemon-1" }, "merge", { spec: { taints: taint } });
  await create(fixture, "tainted");
  await fixture.running("tainted", 3);
  await set([{ key: "k", effect: "NoSchedule" }]);
  // Upstream's does not look at a set again for a taint that keeps its pods.
  await fixture.patch("tainted", { revisionHistoryLimit: 9 });
  await fixture.status("tainted", {
    desiredNumberScheduled: 2,
    currentNumberScheduled: 2,
    numberMisscheduled: 1,
    numberReady: 2,
  } as DaemonSet["status"]);
  await fixture.running("tainted", 3);
  await set([{ key: "k", effect: "NoExecute" }]);
  const pods = await fixture.running("tainted", 2);
  expect(pods.some(({ spec }) => spec.nodeName === "daemon-1")).toBe(false);
  await set([]);
  await fixture.running("tainted", 3);
  await fixture.status("tainted", counts(3));
}

async function rolling(fixture: Fixture): Promise<void> {
  await create(fixture, "rolls");
  await fixture.running("rolls", 3);
  await update(fixture, "rolls", "c:2", { unready: true });
  await fixture.status("rolls", {
    updatedNumberScheduled: 1,
    numberAvailable: 2,
    numberUnavailable: 1,
  } as DaemonSet["status"]);
  const half = await fixture.running("rolls", 3);
  expect(imagesOf(half).sort()).toEqual(["c:1", "c:1", "c:2"]);
  await update(fixture, "rolls", "c:3");
  await fixture.status("rolls", counts(3));
  expect(imagesOf(await fixture.pods("rolls"))).toEqual(["c:3", "c:3", "c:3"]);
  await update(fixture, "rolls", "c:1");
  await fixture.status("rolls", counts(3));
  const revisions = await fixture.revisions("rolls");
  expect(revisions.map(({ revision }) => revision)).toEqual([2, 3, 4]);
  const first = revisions.at(-1)?.metadata;
  expect((await fixture.pods("rolls")).map(({ metadata }) => metadata.labels?.[HASH])).toEqual(
    [1, 2, 3].map(() => first?.labels?.[HASH]),
  );
}

async function surging(fixture: Fixture): Promise<void> {
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await create(fixture, "surges", { updateStrategy: { type: "RollingUpdate", rollingUpdate } });
  const first = await fixture.running("surges", 3);
  // Of two pods of a node the older one counts; of two of the same second their names decide.
  const made_ms = Math.max(...first.map(({ metadata }) => timeOf(metadata.creationTimestamp) ?? 0));
  const { clock } = fixture.plane;
  await waitFor("the next second", async () => clock.now() >= made_ms + 1_000, {
    timeout_ms: TIMEOUT_MS,
  });
  await update(fixture, "surges", "c:2", { unready: true });
  const four = await fixture.running("surges", 4);
  expect(imagesOf(four).sort()).toEqual(["c:1", "c:1", "c:1", "c:2"]);
  await fixture.status("surges", { numberAvailable: 3 } as DaemonSet["status"]);
  await update(fixture, "surges", "c:3");
  await fixture.status("surges", counts(3));
  await fixture.podsUntil(
    "surges",
    "three new pods",
    (pods) => imagesOf(pods).join() === "c:3,c:3,c:3",
  );
}

async function onDelete(fixture: Fixture): Promise<void> {
  await create(fixture, "waits", { updateStrategy: { type: "OnDelete" } });
  const pods = await fixture.running("waits", 3);
  await update(fixture, "waits", "c:2");
  await fixture.status("waits", {
    updatedNumberScheduled: 0,
    numberReady: 3,
  } as DaemonSet["status"]);
  await fixture.podClient.delete({ namespace: "default", name: pods[0]!.metadata.name! });
  await fixture.podsUntil(
    "waits",
    "one new pod",
    (all) => imagesOf(all).sort().join() === "c:1,c:1,c:2",
  );
  await fixture.status("waits", {
    updatedNumberScheduled: 1,
    numberReady: 3,
  } as DaemonSet["status"]);
}

async function failed(fixture: Fixture): Promise<void> {
  const template = templateOf(FIXTURE, "fails", "c:1", { exit: 1 });
  template.spec!.nodeName = "daemon-2";
  await create(fixture, "fails", { template });
  await fixture.event(
    "fails",
    "FailedDaemonPod",
    /^Found failed daemon pod default\/fails-\w+ on node daemon-2, will try to kill it$/,
  );
  await fixture.event("fails", "SuccessfulDelete");
  await fixture.delete("fails", "Background");
}

async function minReady(fixture: Fixture): Promise<void> {
  await create(fixture, "slow", { minReadySeconds: 600 });
  await fixture.running("slow", 3);
  await fixture.status("slow", { numberReady: 3, numberAvailable: 0 } as DaemonSet["status"]);
  await fixture.patch("slow", { minReadySeconds: 0 });
  await fixture.status("slow", counts(3));
}

async function orphaned(fixture: Fixture): Promise<void> {
  await create(fixture, "daemon-heir");
  const uids = (await fixture.running("daemon-heir", 3)).map(({ metadata }) => metadata.uid);
  const [before] = await fixture.revisions("daemon-heir");
  await fixture.delete("daemon-heir", "Orphan");
  const { metadata } = await create(fixture, "daemon-heir");
  const pods = await fixture.adopted("daemon-heir", 3, metadata.uid);
  expect(pods.map((pod) => pod.metadata.uid)).toEqual(uids);
  await fixture.status("daemon-heir", counts(3));
  const revisions = await fixture.revisions("daemon-heir");
  expect(revisions.map((each) => each.metadata.uid)).toEqual([before?.metadata.uid]);
}

async function history(fixture: Fixture): Promise<void> {
  await create(fixture, "short", { revisionHistoryLimit: 1 });
  for (const image of ["c:2", "c:3", "c:4"]) {
    await update(fixture, "short", image);
    await fixture.status("short", counts(3));
  }
  await fixture.until("two revisions", async () => (await fixture.revisions("short")).length === 2);
  expect((await fixture.revisions("short")).map(({ revision }) => revision)).toEqual([3, 4]);
}
