import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { LEASES, PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { type Clock, ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane(["n1"]);
const { eventually } = plane;
const namespace = "default";
const RETRY_MS = 50;
const LEASE_MS = 15_000;

/** A clock that stands, and counts how often it was asked to wait. */
class WaitingClock extends ManualClock {
  waits = 0;

  override after(...of: Parameters<ManualClock["after"]>): ReturnType<ManualClock["after"]> {
    this.waits++;
    return super.after(...of);
  }
}

function replicaSet(name: string, replicas: number): ReplicaSet {
  const labels = { app: name };
  return {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "web:1" }] } },
    },
  };
}

async function runningPods(name: string): Promise<Pod[]> {
  const pods = plane.admin.resource(PODS);
  const { items } = await pods.list({ namespace, labelSelector: `app=${name}` });
  return items.filter((pod) => pod.status?.phase === "Running");
}

test("all go on after the apiserver was restarted, and repeat nothing", async () => {
  const sets = plane.admin.resource(REPLICA_SETS);
  await sets.create(replicaSet("before", 2));
  await eventually("two pods", async () => (await runningPods("before")).length === 2);
  const uids = async () => (await runningPods("before")).map((pod) => pod.metadata.uid).sort();
  const kept = await uids();
  await plane.restartApiserver();
  await sets.create(replicaSet("after", 2));
  await eventually("two pods more", async () => (await runningPods("after")).length === 2);
  expect(await uids()).toEqual(kept);
});

test("of two candidates one leads; when it goes the other takes over at once", async () => {
  const connection = await plane.connection("admin", ["system:masters"]);
  const client = new KubeClient({ ...connection, clock: plane.clock });
  const leading = new Set<string>();
  const candidate = (identity: string, clock: Clock = plane.clock) =>
    new LeaderElection({
      client,
      lease: { namespace: "kube-system", name: "test" },
      identity,
      clock,
      duration_ms: LEASE_MS,
      retry_ms: RETRY_MS,
      async lead(signal) {
        leading.add(identity);
        expect(leading.size).toBe(1);
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        leading.delete(identity);
      },
    });
  // Of b's time less passes than a lease lasts that is not given back.
  const time = new WaitingClock(plane.clock.now());
  const [a, b] = [candidate("a"), candidate("b", time)];
  a.start();
  await eventually("a to lead", async () => leading.has("a"));
  b.start();
  await eventually("b to wait for its next attempt", async () => time.waits > 0);
  const lease = () => client.resource(LEASES).get({ namespace: "kube-system", name: "test" });
  const renewed = (await lease()).spec.renewTime;
  await eventually("a renewal", async () => (await lease()).spec.renewTime !== renewed);
  expect([...leading]).toEqual(["a"]);
  await a.close();
  expect((await lease()).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  await eventually("b to lead", async () => {
    if (time.monotonic() < LEASE_MS / 2) time.advance(RETRY_MS);
    return leading.has("b");
  });
  expect((await lease()).spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  await b.close();
  expect(leading.size).toBe(0);
  client.close();
});
