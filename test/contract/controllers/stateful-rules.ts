import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { dataHash, type RevisionData } from "@raft2kube/controllers/history/plan.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  imagesOf, templateOf, templatePatch, TIMEOUT_MS, WorkloadTrial, type WorkloadWorld,
} from "./workload-trial.ts";

const TRIAL = "stateful";
const namespace = "default";

type Trial = WorkloadTrial<StatefulSet>;
type Status = NonNullable<StatefulSet["status"]>;

/** The rules that every controller of StatefulSets keeps. */
export function statefulRules(given: () => WorkloadWorld): void {
  let trial: Trial;
  beforeAll(async () => {
    trial = new WorkloadTrial(given(), STATEFUL_SETS);
    await trial.start(TRIAL, ["stateful-node"]);
  }, TIMEOUT_MS);
  afterAll(() => trial?.close(), TIMEOUT_MS);

  it("pods in order, each with its name, labels and host name", () => ordered(trial));
  it("one that is not ready holds the next", () => blocked(trial));
  it("Parallel waits for none", () => parallel(trial));
  it("ordinals from another start", () => ordinals(trial));
  it("a rolling update from the last to the first, and its undoing", () => rolling(trial));
  it("a partition keeps the pods below it", () => partition(trial));
  it("OnDelete waits for a deletion", () => onDelete(trial));
  it("a pod that is stuck in an old revision stays until it is deleted", () => stuck(trial));
  it("a failed pod is made again under its name", () => failed(trial));
  it("claims of templates, kept by default", () => retained(trial));
  it("claims that go with their pods, and with the set", () => deleted(trial));
  it("minReadySeconds holds the next pod", () => minReady(trial));
  it("pods and revisions that a deletion orphaned are adopted", () => orphaned(trial));
}

function create(trial: Trial, name: string, spec: Partial<StatefulSet["spec"]> = {}) {
  return trial.create(name, {
    replicas: 2,
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: templateOf(TRIAL, name, "c:1"),
    ...spec,
  });
}

const update = (trial: Trial, name: string, image: string, shape = {}) =>
  trial.patch(name, { template: templatePatch(TRIAL, name, image, shape) });

const counts = (count: number): Partial<Status> => ({
  replicas: count, readyReplicas: count, availableReplicas: count, updatedReplicas: count,
  currentReplicas: count,
});

const status = (trial: Trial, name: string, wanted: Partial<Status>) =>
  trial.status(name, wanted as Status);

const namesOf = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

async function claimNames(trial: Trial, name: string): Promise<(string | undefined)[]> {
  const { items } = await trial.world.admin.resource<PersistentVolumeClaim>(
    PERSISTENT_VOLUME_CLAIMS).list({ namespace, labelSelector: `app=${name}` });
  return items.map(({ metadata }) => metadata.name).sort();
}

async function ordered(trial: Trial): Promise<void> {
  const { metadata } = await create(trial, "db");
  const pods = await trial.running("db", 2);
  const { status: now } = await status(trial, "db", counts(2));
  const [revision] = await trial.revisions("db");
  const { name = "" } = revision!.metadata;
  expect(now).toMatchObject({ currentRevision: name, updateRevision: name, collisionCount: 0 });
  expect(revision?.revision).toBe(1);
  const hash = dataHash(revision!.data as unknown as RevisionData, 0);
  expect([name, revision?.metadata.labels]).toEqual(
    [`db-${hash}`, { app: "db", "controller.kubernetes.io/hash": hash }]);
  for (const [index, pod] of pods.entries()) {
    expect(pod.metadata.name).toBe(`db-${index}`);
    expect(pod.metadata.labels).toEqual({
      app: "db", "controller-revision-hash": name, "apps.kubernetes.io/pod-index": String(index),
      "statefulset.kubernetes.io/pod-name": `db-${index}`,
    });
    expect([pod.spec.hostname, pod.spec.subdomain]).toEqual([`db-${index}`, "db"]);
    expect(pod.metadata.ownerReferences).toEqual([{
      apiVersion: "apps/v1", kind: "StatefulSet", name: "db", uid: metadata.uid,
      controller: true, blockOwnerDeletion: true,
    }]);
  }
  await trial.event("db", "SuccessfulCreate", /^create Pod db-0 in StatefulSet db successful$/i);
  await trial.patch("db", { replicas: 1 });
  await status(trial, "db", counts(1));
  expect(namesOf(await trial.pods("db"))).toEqual(["db-0"]);
  await trial.event("db", "SuccessfulDelete", /^delete Pod db-1 in StatefulSet db successful$/i);
}

async function blocked(trial: Trial): Promise<void> {
  await create(trial, "holds", { template: templateOf(TRIAL, "holds", "c:1", { unready: true }) });
  await status(trial, "holds", { replicas: 1, readyReplicas: 0 });
  expect(namesOf(await trial.pods("holds"))).toEqual(["holds-0"]);
}

async function parallel(trial: Trial): Promise<void> {
  const template = templateOf(TRIAL, "many", "c:1", { unready: true });
  await create(trial, "many", { podManagementPolicy: "Parallel", replicas: 3, template });
  await trial.running("many", 3);
  await trial.patch("many", { replicas: 1 });
  await status(trial, "many", { replicas: 1 });
}

async function ordinals(trial: Trial): Promise<void> {
  await create(trial, "from", { ordinals: { start: 4 } });
  expect(namesOf(await trial.running("from", 2))).toEqual(["from-4", "from-5"]);
  await trial.patch("from", { ordinals: { start: 5 } });
  await trial.podsUntil("from", "from-5 and from-6", (pods) =>
    namesOf(pods).join() === "from-5,from-6");
  await status(trial, "from", counts(2));
}

async function rolling(trial: Trial): Promise<void> {
  await create(trial, "rolls");
  await trial.running("rolls", 2);
  const [first] = await trial.revisions("rolls");
  await update(trial, "rolls", "c:2", { unready: true });
  const half = await status(trial, "rolls",
    { replicas: 2, readyReplicas: 1, updatedReplicas: 1, currentReplicas: 1 });
  expect(imagesOf(await trial.running("rolls", 2))).toEqual(["c:1", "c:2"]);
  expect(half.status?.currentRevision).toBe(first?.metadata.name);
  expect(half.status?.updateRevision).not.toBe(first?.metadata.name);
  // With OrderedReady the pod that never gets ready must be deleted by hand.
  await update(trial, "rolls", "c:3");
  await trial.podClient.delete({ namespace, name: "rolls-1" });
  await status(trial, "rolls", counts(2));
  expect(imagesOf(await trial.pods("rolls"))).toEqual(["c:3", "c:3"]);
  await update(trial, "rolls", "c:1");
  const { status: back } = await status(trial, "rolls",
    { ...counts(2), updateRevision: first?.metadata.name! });
  expect(back?.currentRevision).toBe(first?.metadata.name);
  expect((await trial.revisions("rolls")).map(({ revision }) => revision)).toEqual([2, 3, 4]);
}

async function partition(trial: Trial): Promise<void> {
  const updateStrategy = { type: "RollingUpdate" as const, rollingUpdate: { partition: 1 } };
  await create(trial, "parted", { updateStrategy });
  await status(trial, "parted", counts(2));
  await update(trial, "parted", "c:2");
  await status(trial, "parted", { readyReplicas: 2, updatedReplicas: 1, currentReplicas: 1 });
  expect(imagesOf(await trial.running("parted", 2))).toEqual(["c:1", "c:2"]);
  await trial.podClient.delete({ namespace, name: "parted-0" });
  await trial.podsUntil("parted", "the old revision again", (pods) =>
    imagesOf(pods).join() === "c:1,c:2");
  await trial.patch("parted", { updateStrategy: { rollingUpdate: { partition: 0 } } });
  await status(trial, "parted", counts(2));
  expect(imagesOf(await trial.pods("parted"))).toEqual(["c:2", "c:2"]);
}

async function onDelete(trial: Trial): Promise<void> {
  await create(trial, "waits", { updateStrategy: { type: "OnDelete" } });
  await status(trial, "waits", counts(2));
  await update(trial, "waits", "c:2");
  await status(trial, "waits", { readyReplicas: 2, updatedReplicas: 0 });
  await trial.podClient.delete({ namespace, name: "waits-0" });
  await trial.podsUntil("waits", "a new first pod", (pods) => imagesOf(pods).join() === "c:2,c:1");
  await status(trial, "waits", { readyReplicas: 2, updatedReplicas: 1 });
}

async function stuck(trial: Trial): Promise<void> {
  await create(trial, "stuck", {
    replicas: 1, template: templateOf(TRIAL, "stuck", "c:1", { unready: true }),
  });
  const [pod] = await trial.running("stuck", 1);
  await update(trial, "stuck", "c:2");
  await status(trial, "stuck", { replicas: 1, updatedReplicas: 0 });
  const [after] = await trial.pods("stuck");
  expect(after?.metadata.uid).toBe(pod?.metadata.uid);
  await trial.podClient.delete({ namespace, name: "stuck-0" });
  await status(trial, "stuck", counts(1));
}

async function failed(trial: Trial): Promise<void> {
  const template = templateOf(TRIAL, "fails", "c:1", { exit: 1 });
  await create(trial, "fails", { replicas: 1, template });
  const [pod] = await trial.podsUntil("fails", "a first pod", ({ length }) => length === 1);
  await trial.podsUntil("fails", "another of the same name", ([next]) =>
    next !== undefined && next.metadata.uid !== pod?.metadata.uid);
  await trial.event("fails", "SuccessfulDelete");
  await trial.delete("fails", "Background");
}

const CLAIMS = [{
  metadata: { name: "data" },
  spec: {
    accessModes: ["ReadWriteOnce" as const], storageClassName: "none",
    resources: { requests: { storage: "1Mi" } },
  },
}];

/** Pods with claims that nothing binds stay unscheduled. */
async function retained(trial: Trial): Promise<void> {
  await create(trial, "keeps", {
    podManagementPolicy: "Parallel", volumeClaimTemplates: CLAIMS,
  });
  const pods = await trial.podsUntil("keeps", "two pods", ({ length }) => length === 2);
  expect(pods.map(({ spec }) => spec.volumes?.find(({ name }) => name === "data")))
    .toEqual([0, 1].map((place) =>
      ({ name: "data", persistentVolumeClaim: { claimName: `data-keeps-${place}` } })));
  expect(await claimNames(trial, "keeps")).toEqual(["data-keeps-0", "data-keeps-1"]);
  await trial.event("keeps", "SuccessfulCreate",
    /^create Claim data-keeps-0 Pod keeps-0 in StatefulSet keeps success$/i);
  await trial.patch("keeps", { replicas: 1 });
  await trial.podsUntil("keeps", "one pod", ({ length }) => length === 1);
  await trial.delete("keeps", "Background");
  expect(await claimNames(trial, "keeps")).toEqual(["data-keeps-0", "data-keeps-1"]);
}

async function deleted(trial: Trial): Promise<void> {
  await create(trial, "drops", {
    podManagementPolicy: "Parallel", volumeClaimTemplates: CLAIMS,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Delete" },
  });
  await trial.podsUntil("drops", "two pods", ({ length }) => length === 2);
  await trial.patch("drops", { replicas: 1 });
  await trial.until("one claim", async () =>
    (await claimNames(trial, "drops")).join() === "data-drops-0");
  await trial.patch("drops", { replicas: 2 });
  await trial.until("two claims", async () => (await claimNames(trial, "drops")).length === 2);
  await trial.podsUntil("drops", "two pods", ({ length }) => length === 2);
  await trial.delete("drops", "Background");
  await trial.until("no claim", async () => (await claimNames(trial, "drops")).length === 0);
}

async function minReady(trial: Trial): Promise<void> {
  await create(trial, "slow", { minReadySeconds: 600 });
  await status(trial, "slow", { replicas: 1, readyReplicas: 1, availableReplicas: 0 });
  await trial.patch("slow", { minReadySeconds: 0 });
  await status(trial, "slow", counts(2));
}

async function orphaned(trial: Trial): Promise<void> {
  await create(trial, "stateful-heir");
  await status(trial, "stateful-heir", counts(2));
  const uids = (await trial.pods("stateful-heir")).map(({ metadata }) => metadata.uid);
  const [before] = await trial.revisions("stateful-heir");
  await trial.delete("stateful-heir", "Orphan");
  const { metadata } = await create(trial, "stateful-heir");
  const pods = await trial.podsUntil("stateful-heir", "adopted pods", (all) => all.length === 2 &&
    all.every((pod) => pod.metadata.ownerReferences?.[0]?.uid === metadata.uid));
  expect(pods.map((pod) => pod.metadata.uid)).toEqual(uids);
  await status(trial, "stateful-heir", counts(2));
  const [after] = await trial.revisions("stateful-heir");
  expect(after?.metadata.uid).toBe(before?.metadata.uid);
}
