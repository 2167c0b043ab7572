import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { LEASES, PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { expect, test } from "vitest";
import { sharedWorld } from "./shared-world.ts";

const world = sharedWorld(["n1"]);
const { eventually } = world;
const namespace = "default";

function replicaSet(name: string, replicas: number): ReplicaSet {
  const labels = { app: name };
  return {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "c", image: "web:1" }] },
      },
    },
  };
}

async function runningPods(name: string): Promise<Pod[]> {
  const pods = world.admin.resource<Pod>(PODS);
  const { items } = await pods.list({ namespace, labelSelector: `app=${name}` });
  return items.filter((pod) => pod.status?.phase === "Running");
}

test("all go on after the apiserver was restarted, and repeat nothing", async () => {
  const sets = world.admin.resource<ReplicaSet>(REPLICA_SETS);
  await sets.create(replicaSet("before", 2));
  await eventually("two pods", async () => (await runningPods("before")).length === 2);
  const uids = async () => (await runningPods("before")).map((pod) => pod.metadata.uid).sort();
  const kept = await uids();
  await world.restartApiserver();
  await sets.create(replicaSet("after", 2));
  await eventually("two pods more", async () => (await runningPods("after")).length === 2);
  expect(await uids()).toEqual(kept);
});

test("of two candidates one leads; when it goes the other takes over at once", async () => {
  const connection = await world.connection("admin", ["system:masters"]);
  const client = new KubeClient({ ...connection, clock: world.clock });
  const leading = new Set<string>();
  const candidate = (identity: string) =>
    new LeaderElection({
      client,
      lease: { namespace: "kube-system", name: "test" },
      identity,
      clock: world.clock,
      retry_ms: 50,
      async lead(signal) {
        leading.add(identity);
        expect(leading.size).toBe(1);
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        leading.delete(identity);
      },
    });
  const [a, b] = [candidate("a"), candidate("b")];
  a.start();
  await eventually("a to lead", async () => leading.has("a"));
  b.start();
  const lease = () => {
    return client.resource<Lease>(LEASES).get({ namespace: "kube-system", name: "test" });
  };
  const renewed = (await lease()).spec.renewTime;
  await eventually("a renewal", async () => (await lease()).spec.renewTime !== renewed);
  expect([...leading]).toEqual(["a"]);
  await a.close();
  await eventually("b to lead", async () => leading.has("b"));
  expect((await lease()).spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  await b.close();
  // A lease that has no holder is taken at once, before its 15 s are over.
  expect((await lease()).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  expect(leading.size).toBe(0);
  client.close();
});
