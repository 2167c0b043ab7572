import type { ReplicationController } from "@raft2kube/api/gen/core/v1.ts";
import { REPLICATION_CONTROLLERS } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { PlaneAccess } from "./control-plane.ts";
import { controllerRef, TIMEOUT_MS, templateOf, WorkloadFixture } from "./workload-fixture.ts";

const FIXTURE = "replication";
const namespace = "default";

/** The rules that every controller of ReplicationControllers keeps. */
export function replicationRules(given: () => PlaneAccess): void {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = new WorkloadFixture(given(), REPLICATION_CONTROLLERS);
    await fixture.start(FIXTURE, ["replication-node"]);
  }, TIMEOUT_MS);
  afterAll(() => fixture?.close(), TIMEOUT_MS);
  const create = (name: string, replicas: number) =>
    fixture.create(name, { replicas, template: templateOf(FIXTURE, name, "c:1") });

  countRules(() => fixture, create);
  ownershipRules(() => fixture, create);
}

type Fixture = WorkloadFixture<ReplicationController>;
type Create = (name: string, replicas: number) => Promise<ReplicationController>;

function countRules(given: () => Fixture, create: Create): void {
  it("as many pods as it asks for, of its template, counted in its status", async () => {
    const fixture = given();
    const { metadata } = await create("rc", 2);
    const pods = await fixture.running("rc", 2);
    for (const pod of pods) {
      expect(pod.metadata.name).toMatch(/^rc-[a-z0-9]{5}$/);
      expect(pod.metadata.labels).toEqual({ app: "rc" });
      expect(pod.metadata.ownerReferences).toEqual([
        controllerRef("v1", "ReplicationController", "rc", metadata.uid),
      ]);
    }
    const { status } = await fixture.status("rc", { replicas: 2, availableReplicas: 2 });
    expect(status).toEqual({
      replicas: 2,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      observedGeneration: 1,
    });
    await fixture.event("rc", "SuccessfulCreate", `Created pod: ${pods[0]?.metadata.name}`);
  });

  it("fewer when it is scaled down", async () => {
    const fixture = given();
    await create("scaled", 3);
    await fixture.running("scaled", 3);
    const scale = { ...{ namespace, name: "scaled" }, subresource: "scale" };
    await fixture.client.patch(scale, "merge", { spec: { replicas: 1 } });
    await fixture.status("scaled", { replicas: 1 });
    await fixture.event("scaled", "SuccessfulDelete", /^Deleted pod: scaled-/);
  });
}

function ownershipRules(given: () => Fixture, create: Create): void {
  it("a pod that does not match any more is released and replaced", async () => {
    const fixture = given();
    await create("loses", 1);
    const [first] = await fixture.running("loses", 1);
    const name = first!.metadata.name!;
    const change = { metadata: { labels: { app: "free" } } };
    await fixture.podClient.patch({ namespace, name }, "merge", change);
    await fixture.podsUntil(
      "loses",
      "another pod",
      ([pod, ...more]) => more.length === 0 && pod !== undefined && pod.metadata.name !== name,
    );
    const free = await fixture.podClient.get({ namespace, name });
    expect(free.metadata.ownerReferences).toBe(undefined);
  });

  it("pods that a deletion orphaned are adopted by a new one", async () => {
    const fixture = given();
    await create("heir", 2);
    const uids = (await fixture.running("heir", 2)).map(({ metadata }) => metadata.uid);
    await fixture.delete("heir", "Orphan");
    const { metadata } = await create("heir", 2);
    const pods = await fixture.adopted("heir", 2, metadata.uid);
    expect(pods.map((pod) => pod.metadata.uid)).toEqual(uids);
    await fixture.status("heir", { replicas: 2, readyReplicas: 2 });
  });
}
