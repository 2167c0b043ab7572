import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { dataHash, type RevisionData } from "@raft2kube/controllers/history/plan.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { PlaneAccess } from "./control-plane.ts";
import {
  controllerRef,
  imagesOf,
  TIMEOUT_MS,
  templateOf,
  templatePatch,
  WorkloadFixture,
} from "./workload-fixture.ts";

const FIXTURE = "stateful";
const namespace = "default";

type Fixture = WorkloadFixture<StatefulSet>;
type Status = NonNullable<StatefulSet["status"]>;

/** The rules that every controller of StatefulSets keeps. */
export function statefulRules(given: () => PlaneAccess): void {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = new WorkloadFixture(given(), STATEFUL_SETS);
    await fixture.start(FIXTURE, ["stateful-node"]);
  }, TIMEOUT_MS);
  afterAll(() => fixture?.close(), TIMEOUT_MS);

  it("pods in order, each with its name, labels and host name", () => ordered(fixture));
  it("one that is not ready holds the next", () => blocked(fixture));
  it("Parallel waits for none", () => parallel(fixture));
  it("ordinals from another start", () => ordinals(fixture));
  it("a rolling update from the last to the first, and its undoing", () => rolling(fixture));
  it("a partition keeps the pods below it", () => partition(fixture));
  it("OnDelete waits for a deletion", () => onDelete(fixture));
  it("a pod that is stuck in an old revision stays until it is deleted", () => stuck(fixture));
  it("a failed pod is made again under its name", () => failed(fixture));
  it("claims of templates, kept by default", () => retained(fixture));
  it("claims that go with their pods, and with the set", () => deleted(fixture));
  it("minReadySeconds holds the next pod", () => minReady(fixture));
  it("pods and revisions that a deletion orphaned are adopted", () => orphaned(fixture));
}

function create(fixture: Fixture, name: string, spec: Partial<StatefulSet["spec"]> = {}) {
  return fixture.create(name, {
    replicas: 2,
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: templateOf(FIXTURE, name, "c:1"),
    ...spec,
  });
}

const update = (fixture: Fixture, name: string, image: string, shape = {}) =>
  fixture.patch(name, { template: templatePatch(FIXTURE, name, image, shape) });

const counts = (count: number): Partial<Status> => ({
  replicas: count,
  readyReplicas: count,
  availableReplicas: count,
  updatedReplicas: count,
  currentReplicas: count,
});

const status = (fixture: Fixture, name: string, wanted: Partial<Status>) =>
  fixture.status(name, wanted as Status);

const namesOf = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

async function claimNames(fixture: Fixture, name: string): Promise<(string | undefined)[]> {
  const { items } = await fixture.plane.admin
    .resource(PERSISTENT_VOLUME_CLAIMS)
    .list({ namespace, labelSelector: `app=${name}` });
  return items.map(({ metadata }) => metadata.name).sort();
}

async function ordered(fixture: Fixture): Promise<void> {
  const { metadata } = await create(fixture, "db");
  const pods = await fixture.running("db", 2);
  const { status: now } = await status(fixture, "db", counts(2));
  const [revision] = await fixture.revisions("db");
  const { name = "" } = revision!.metadata;
  expect(now).toMatchObject({ currentRevision: name, updateRevision: name, collisionCount: 0 });
  expect(revision?.revision).toBe(1);
  const hash = dataHash(revision!.data as unknown as RevisionData, 0);
  expect([name, revision?.metadata.labels]).toEqual([
    `db-${hash}`,
    { app: "db", "controller.kubernetes.io/hash": hash },
  ]);
  for (const [index, pod] of pods.entries()) {
    expect(pod.metadata.name).toBe(`db-${index}`);
    expect(pod.metadata.labels).toEqual({
      app: "db",
      "controller-revision-hash": name,
      "apps.kubernetes.io/pod-index": String(index),
      "statefulset.kubernetes.io/pod-name": `db-${index}`,
    });
    expect([pod.spec.hostname, pod.spec.subdomain]).toEqual([`db-${index}`, "db"]);
    expect(pod.metadata.ownerReferences).toEqual([
      controllerRef("apps/v1", "StatefulSet", "db", metadata.uid),
    ]);
  }
  await fixture.event("db", "SuccessfulCreate", /^create Pod db-0 in StatefulSet db successful$/i);
  await fixture.patch("db", { replicas: 1 });
  await status(fixture, "db", counts(1));
  expect(namesOf(await fixture.pods("db"))).toEqual(["db-0"]);
  await fixture.event("db", "SuccessfulDelete", /^delete Pod db-1 in StatefulSet db successful$/i);
}

async function blocked(fixture: Fixture): Promise<void> {
  const template = templateOf(FIXTURE, "holds", "c:1", { unready: true });
  await create(fixture, "holds", { template });
  await status(fixture, "holds", { replicas: 1, readyReplicas: 0 });
  expect(namesOf(await fixture.pods("holds"))).toEqual(["holds-0"]);
}

async function parallel(fixture: Fixture): Promise<void> {
  const template = templateOf(FIXTURE, "many", "c:1", { unready: true });
  await create(fixture, "many", { podManagementPolicy: "Parallel", replicas: 3, template });
  await fixture.running("many", 3);
  await fixture.patch("many", { replicas: 1 });
  await status(fixture, "many", { replicas: 1 });
}

async function ordinals(fixture: Fixture): Promise<void> {
  await create(fixture, "from", { ordinals: { start: 4 } });
  expect(namesOf(await fixture.running("from", 2))).toEqual(["from-4", "from-5"]);
  await fixture.patch("from", { ordinals: { start: 5 } });
  await fixture.podsUntil(
    "from",
    "from-5 and from-6",
    (pods) => namesOf(pods).join() === "from-5,from-6",
  );
  await status(fixture, "from", counts(2));
}

async function rolling(fixture: Fixture): Promise<void> {
  await create(fixture, "rolls");
  await fixture.running("rolls", 2);
  const [first] = await fixture.revisions("rolls");
  await update(fixture, "rolls", "c:2", { unready: true });
  const half = await status(fixture, "rolls", {
    replicas: 2,
    readyReplicas: 1,
    updatedReplicas: 1,
    currentReplicas: 1,
  });
  expect(imagesOf(await fixture.running("rolls", 2))).toEqual(["c:1", "c:2"]);
  expect(half.status?.currentRevision).toBe(first?.metadata.name);
  expect(half.status?.updateRevision).not.toBe(first?.metadata.name);
  // With OrderedReady the pod that never gets ready must be deleted by hand.
  await update(fixture, "rolls", "c:3");
  // A controller that sees the deletion first makes it again by the old template.
  await status(fixture, "rolls", {});
  await fixture.podClient.delete({ namespace, name: "rolls-1" });
  await status(fixture, "rolls", counts(2));
  expect(imagesOf(await fixture.pods("rolls"))).toEqual(["c:3", "c:3"]);
  await update(fixture, "rolls", "c:1");
  const { status: back } = await status(fixture, "rolls", {
    ...counts(2),
    updateRevision: first?.metadata.name!,
  });
  expect(back?.currentRevision).toBe(first?.metadata.name);
  expect((await fixture.revisions("rolls")).map(({ revision }) => revision)).toEqual([2, 3, 4]);
}

async function partition(fixture: Fixture): Promise<void> {
  const updateStrategy = { type: "RollingUpdate" as const, rollingUpdate: { partition: 1 } };
  await create(fixture, "parted", { updateStrategy });
  await status(fixture, "parted", counts(2));
  await update(fixture, "parted", "c:2");
  await status(fixture, "parted", { readyReplicas: 2, updatedReplicas: 1, currentReplicas: 1 });
  expect(imagesOf(await fixture.running("parted", 2))).toEqual(["c:1", "c:2"]);
  await fixture.podClient.delete({ namespace, name: "parted-0" });
  await fixture.podsUntil(
    "parted",
    "the old revision again",
    (pods) => imagesOf(pods).join() === "c:1,c:2",
  );
  await fixture.patch("parted", { updateStrategy: { rollingUpdate: { partition: 0 } } });
  await status(fixture, "parted", counts(2));
  expect(imagesOf(await fixture.pods("parted"))).toEqual(["c:2", "c:2"]);
}

async function onDelete(fixture: Fixture): Promise<void> {
  await create(fixture, "waits", { updateStrategy: { type: "OnDelete" } });
  await status(fixture, "waits", counts(2));
  await update(fixture, "waits", "c:2");
  await status(fixture, "waits", { readyReplicas: 2, updatedReplicas: 0 });
  await fixture.podClient.delete({ namespace, name: "waits-0" });
  await fixture.podsUntil(
    "waits",
    "a new first pod",
    (pods) => imagesOf(pods).join() === "c:2,c:1",
  );
  await status(fixture, "waits", { readyReplicas: 2, updatedReplicas: 1 });
}

async function stuck(fixture: Fixture): Promise<void> {
  await create(fixture, "stuck", {
    replicas: 1,
    template: templateOf(FIXTURE, "stuck", "c:1", { unready: true }),
  });
  const [pod] = await fixture.running("stuck", 1);
  await update(fixture, "stuck", "c:2");
  await status(fixture, "stuck", { replicas: 1, updatedReplicas: 0 });
  const [after] = await fixture.pods("stuck");
  expect(after?.metadata.uid).toBe(pod?.metadata.uid);
  await fixture.podClient.delete({ namespace, name: "stuck-0" });
  await status(fixture, "stuck", counts(1));
}

async function failed(fixture: Fixture): Promise<void> {
  const template = templateOf(FIXTURE, "fails", "c:1", { exit: 1 });
  await create(fixture, "fails", { replicas: 1, template });
  const [pod] = await fixture.podsUntil("fails", "a first pod", ({ length }) => length === 1);
  await fixture.podsUntil(
    "fails",
    "another of the same name",
    ([next]) => next !== undefined && next.metadata.uid !== pod?.metadata.uid,
  );
  await fixture.event("fails", "SuccessfulDelete");
  await fixture.delete("fails", "Background");
}

const CLAIMS = [
  {
    metadata: { name: "data" },
    spec: {
      accessModes: ["ReadWriteOnce" as const],
      storageClassName: "none",
      resources: { requests: { storage: "1Mi" } },
    },
  },
];

/** Pods with claims that nothing binds stay unscheduled. */
async function retained(fixture: Fixture): Promise<void> {
  await create(fixture, "keeps", { podManagementPolicy: "Parallel", volumeClaimTemplates: CLAIMS });
  const pods = await fixture.podsUntil("keeps", "two pods", ({ length }) => length === 2);
  expect(pods.map(({ spec }) => spec.volumes?.find(({ name }) => name === "data"))).toEqual(
    [0, 1].map((place) => ({
      name: "data",
      persistentVolumeClaim: { claimName: `data-keeps-${place}` },
    })),
  );
  expect(await claimNames(fixture, "keeps")).toEqual(["data-keeps-0", "data-keeps-1"]);
  await fixture.event(
    "keeps",
    "SuccessfulCreate",
    /^create Claim data-keeps-0 Pod keeps-0 in StatefulSet keeps success$/i,
  );
  await fixture.patch("keeps", { replicas: 1 });
  await fixture.podsUntil("keeps", "one pod", ({ length }) => length === 1);
  await fixture.delete("keeps", "Background");
  expect(await claimNames(fixture, "keeps")).toEqual(["data-keeps-0", "data-keeps-1"]);
}

async function deleted(fixture: Fixture): Promise<void> {
  await create(fixture, "drops", {
    podManagementPolicy: "Parallel",
    volumeClaimTemplates: CLAIMS,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Delete" },
  });
  await fixture.podsUntil("drops", "two pods", ({ length }) => length === 2);
  await fixture.patch("drops", { replicas: 1 });
  await fixture.until(
    "one claim",
    async () => (await claimNames(fixture, "drops")).join() === "data-drops-0",
  );
  await fixture.patch("drops", { replicas: 2 });
  await fixture.until("two claims", async () => (await claimNames(fixture, "drops")).length === 2);
  await fixture.podsUntil("drops", "two pods", ({ length }) => length === 2);
  await fixture.delete("drops", "Background");
  await fixture.until("no claim", async () => (await claimNames(fixture, "drops")).length === 0);
}

async function minReady(fixture: Fixture): Promise<void> {
  await create(fixture, "slow", { minReadySeconds: 600 });
  await status(fixture, "slow", { replicas: 1, readyReplicas: 1, availableReplicas: 0 });
  await fixture.patch("slow", { minReadySeconds: 0 });
  await status(fixture, "slow", counts(2));
}

async function orphaned(fixture: Fixture): Promise<void> {
  await create(fixture, "stateful-heir");
  await status(fixture, "stateful-heir", counts(2));
  const uids = (await fixture.pods("stateful-heir")).map(({ metadata }) => metadata.uid);
  const [before] = await fixture.revisions("stateful-heir");
  await fixture.delete("stateful-heir", "Orphan");
  const { metadata } = await create(fixture, "stateful-heir");
  const pods = await fixture.adopted("stateful-heir", 2, metadata.uid);
  expect(pods.map((pod) => pod.metadata.uid)).toEqual(uids);
  await status(fixture, "stateful-heir", counts(2));
  const [after] = await fixture.revisions("stateful-heir");
  expect(after?.metadata.uid).toBe(before?.metadata.uid);
}
