import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PriorityClass } from "@raft2kube/api/gen/scheduling/v1.ts";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  EVENTS,
  NAMESPACES,
  NODES,
  PODS,
  REPLICA_SETS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { describe, expect, test } from "vitest";
import { fileControlPlane, isGone } from "./file-control-plane.ts";
import { startHollowKubelet } from "./hollow-kubelet.ts";

const plane = fileControlPlane(
  ["n1", "n2"],
  {},
  { getsReady: (pod) => pod.spec.containers[0]?.image !== "broken" },
);
const { eventually } = plane;
const namespace = "default";
const HOST = "kubernetes.io/hostname";

function deployment(name: string, image: string, replicas: number): Deployment {
  const labels = { app: name };
  return {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "c", image, ports: [{ containerPort: 80 }] }] },
      },
    },
  };
}

async function podsOf(name: string): Promise<Pod[]> {
  const pods = plane.admin.resource(PODS);
  return (await pods.list({ namespace, labelSelector: `app=${name}` })).items;
}

function complete(name: string) {
  const deployments = plane.admin.resource(DEPLOYMENTS);
  return eventually(`deployment ${name} to be complete`, async () => {
    const { metadata, spec, status = {} } = await deployments.get({ namespace, name });
    const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
    const seen = (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);
    const counts = [updatedReplicas, replicas, availableReplicas];
    return seen && counts.every((count) => count === spec.replicas) ? status : undefined;
  });
}

describe("every namespace", () => {
  test("gets an account and the root certificates, and empties when deleted", async () => {
    const namespaces = plane.admin.resource(NAMESPACES);
    const accounts = plane.admin.resource(SERVICE_ACCOUNTS);
    const maps = plane.admin.resource(CONFIG_MAPS);
    await namespaces.create({ metadata: { name: "team" }, spec: {} });
    await eventually("the account", () => accounts.get({ namespace: "team", name: "default" }));
    const root = { namespace: "team", name: "kube-root-ca.crt" };
    const map = await eventually("the certificates", () => maps.get(root));
    expect(map.data?.["ca.crt"]).toBe(plane.ca.cert);
    await maps.delete(root);
    await eventually("the certificates again", () => maps.get(root));
    await maps.create({ metadata: { namespace: "team", name: "mine" }, data: { a: "b" } });
    await namespaces.delete({ name: "team" });
    await eventually("the end of the namespace", () => {
      return isGone(() => namespaces.get({ name: "team" }));
    });
    expect((await maps.list({ namespace: "team" })).items).toEqual([]);
  });
});

describe("nodes", () => {
  test("get parts of the pod range, no two the same, and lose the not-ready taint", async () => {
    const nodes = plane.admin.resource(NODES);
    const all = await eventually("pod ranges and no taints", async () => {
      const { items } = await nodes.list();
      const done = items.every(({ spec }) => spec.podCIDR && !spec.taints?.length);
      return done && items.length === 2 ? items : undefined;
    });
    expect(new Set(all.map(({ spec }) => spec.podCIDR)).size).toBe(2);
  });
});

describe("a Deployment", () => {
  test("runs its pods, spread over the nodes, with events", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    await deployments.create(deployment("web", "web:1", 4));
    await complete("web");
    const pods = await podsOf("web");
    expect(new Set(pods.map((pod) => pod.spec.nodeName)).size).toBe(2);
    const events = plane.admin.resource(EVENTS);
    await eventually("its events", async () => {
      const { items } = await events.list({ namespace });
      const reasons = new Set(items.map((event) => event.reason));
      const wanted = ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled"];
      return wanted.every((reason) => reasons.has(reason));
    });
  });

  test("rolls to another image, keeps the old ReplicaSet, and goes back", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    const sets = plane.admin.resource(REPLICA_SETS);
    const name = { namespace, name: "web" };
    const setImage = (image: string) => {
      const containers = [{ name: "c", image }];
      return deployments.patch(name, "strategic", { spec: { template: { spec: { containers } } } });
    };
    await setImage("web:2");
    await complete("web");
    // Pods that end count no more, and are there for a moment yet.
    const onlyRuns = (image: string) =>
      eventually(`nothing but ${image}`, async () =>
        (await podsOf("web")).every((pod) => pod.spec.containers[0]?.image === image),
      );
    await onlyRuns("web:2");
    await setImage("web:1");
    await complete("web");
    await onlyRuns("web:1");
    const { items } = await sets.list({ namespace, labelSelector: "app=web" });
    const revisions = items.map(({ metadata, spec }) => [
      metadata.annotations?.["deployment.kubernetes.io/revision"],
      spec.replicas,
    ]);
    expect(revisions.sort()).toEqual([
      ["2", 0],
      ["3", 4],
    ]);
  });

  test("with a broken image keeps its old pods in service", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    await deployments.create(deployment("half", "web:1", 4));
    await complete("half");
    const containers = [{ name: "c", image: "broken" }];
    const patch = { spec: { template: { spec: { containers } } } };
    await deployments.patch({ namespace, name: "half" }, "strategic", patch);
    await eventually("the rollout to stand", async () => {
      const broken = (await podsOf("half")).filter((pod) => {
        return pod.spec.containers[0]?.image === "broken" && pod.status?.phase === "Running";
      });
      return broken.length === 2;
    });
    await eventually("three old ones in service", async () => {
      const { status } = await deployments.get({ namespace, name: "half" });
      return status?.availableReplicas === 3;
    });
  });

  test("replaces a deleted pod and scales both ways", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    const pods = plane.admin.resource(PODS);
    await deployments.create(deployment("scaled", "web:1", 2));
    await complete("scaled");
    const [victim] = await podsOf("scaled");
    await pods.delete({ namespace, name: victim?.metadata.name ?? "" });
    await eventually("another pod", async () => {
      const names = (await podsOf("scaled")).map((pod) => pod.metadata.uid);
      return names.length === 2 && !names.includes(victim?.metadata.uid);
    });
    for (const replicas of [5, 1, 0]) {
      await deployments.patch({ namespace, name: "scaled" }, "merge", { spec: { replicas } });
      await complete("scaled");
      await eventually(`${replicas} pods`, async () => {
        return (await podsOf("scaled")).length === replicas;
      });
    }
  });

  test("takes its ReplicaSets and pods with it", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    const sets = plane.admin.resource(REPLICA_SETS);
    await deployments.create(deployment("gone", "web:1", 2));
    await complete("gone");
    await deployments.delete({ namespace, name: "gone" }, { propagationPolicy: "Foreground" });
    await eventually("the deployment to be gone", () => {
      return isGone(() => deployments.get({ namespace, name: "gone" }));
    });
    // In the foreground the dependents went first.
    expect((await sets.list({ namespace, labelSelector: "app=gone" })).items).toEqual([]);
    expect(await podsOf("gone")).toEqual([]);
  });

  test("deleted as an orphaning owner leaves its ReplicaSets, which a new one adopts", async () => {
    const deployments = plane.admin.resource(DEPLOYMENTS);
    const sets = plane.admin.resource(REPLICA_SETS);
    await deployments.create(deployment("heir", "web:1", 1));
    await complete("heir");
    const [before] = await podsOf("heir");
    await deployments.delete({ namespace, name: "heir" }, { propagationPolicy: "Orphan" });
    await eventually("the deployment to be gone", () => {
      return isGone(() => deployments.get({ namespace, name: "heir" }));
    });
    const { items } = await sets.list({ namespace, labelSelector: "app=heir" });
    expect(items.map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
    const again = await deployments.create(deployment("heir", "web:1", 1));
    await complete("heir");
    const adopted = await sets.list({ namespace, labelSelector: "app=heir" });
    const owners = adopted.items.map(({ metadata }) => metadata.ownerReferences?.[0]?.uid);
    expect(owners).toEqual([again.metadata.uid]);
    expect((await podsOf("heir")).map((pod) => pod.metadata.uid)).toEqual([before?.metadata.uid]);
  });
});

describe("a Service", () => {
  test("has the addresses of its ready pods in its slices and its Endpoints", async () => {
    const services = plane.admin.resource(SERVICES);
    const slices = plane.admin.resource(ENDPOINT_SLICES);
    const endpoints = plane.admin.resource(ENDPOINTS);
    await plane.admin.resource(DEPLOYMENTS).create(deployment("api", "web:1", 3));
    await complete("api");
    const ports = [{ port: 80, targetPort: 80 }];
    await services.create({
      metadata: { namespace, name: "api" },
      spec: { selector: { app: "api" }, ports },
    });
    const addresses = (await podsOf("api")).map((pod) => pod.status?.podIP).sort();
    const labelSelector = "kubernetes.io/service-name=api";
    await eventually("the slices", async () => {
      const { items } = await slices.list({ namespace, labelSelector });
      const ready = items.flatMap((slice) => slice.endpoints).filter((e) => e.conditions?.ready);
      return JSON.stringify(ready.flatMap((e) => e.addresses).sort()) === JSON.stringify(addresses);
    });
    await eventually("the Endpoints", async () => {
      const { subsets = [] } = await endpoints.get({ namespace, name: "api" });
      const ips = subsets
        .flatMap((subset) => subset.addresses ?? [])
        .map(({ ip }) => ip)
        .sort();
      return JSON.stringify(ips) === JSON.stringify(addresses);
    });
    await services.delete({ namespace, name: "api" });
    await eventually("both to be gone", async () => {
      const { items } = await slices.list({ namespace, labelSelector });
      const gone = await isGone(() => endpoints.get({ namespace, name: "api" }));
      return items.length === 0 && gone;
    });
  });

  test("without a selector has the addresses that were written by hand in its slices", async () => {
    const slices = plane.admin.resource(ENDPOINT_SLICES);
    const endpoints = plane.admin.resource(ENDPOINTS);
    const metadata = { namespace, name: "outside" };
    const services = plane.admin.resource(SERVICES);
    await services.create({ metadata, spec: { ports: [{ port: 80 }] } });
    const subsets = [{ addresses: [{ ip: "192.0.2.7" }], ports: [{ port: 8080 }] }];
    await endpoints.create({ metadata, subsets });
    const labelSelector = "kubernetes.io/service-name=outside";
    const mirrored = async () => (await slices.list({ namespace, labelSelector })).items;
    const [slice] = await eventually("the slice", async () => {
      const items = await mirrored();
      return items.length > 0 && items;
    });
    expect(slice).toMatchObject({
      ports: [{ port: 8080 }],
      endpoints: [{ addresses: ["192.0.2.7"] }],
    });
    await endpoints.delete(metadata);
    await eventually("the slice to go", async () => (await mirrored()).length === 0);
  });
});

describe("the scheduler", () => {
  test("says why a pod fits nowhere, and places it when that changes", async () => {
    const pods = plane.admin.resource(PODS);
    const nodes = plane.admin.resource(NODES);
    const name = { namespace, name: "picky" };
    await pods.create({
      metadata: name,
      spec: { nodeSelector: { disk: "ssd" }, containers: [{ name: "c", image: "web:1" }] },
    });
    const condition = await eventually("the condition", async () => {
      const { status } = await pods.get(name);
      return status?.conditions?.find((c) => c.type === "PodScheduled" && c.status === "False");
    });
    expect(condition).toMatchObject({
      reason: "Unschedulable",
      message:
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. " +
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    });
    await nodes.patch({ name: "n2" }, "merge", { metadata: { labels: { disk: "ssd" } } });
    const placed = await eventually("a node", async () => {
      const pod = await pods.get(name);
      return pod.spec.nodeName ? pod : undefined;
    });
    expect(placed.spec.nodeName).toBe("n2");
  });

  test("keeps apart pods that want no other of their kind near", async () => {
    const pods = plane.admin.resource(PODS);
    const labels = { app: "loner" };
    const podAffinityTerm = { labelSelector: { matchLabels: labels }, topologyKey: HOST };
    const requiredDuringSchedulingIgnoredDuringExecution = [podAffinityTerm];
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution } };
    for (const name of ["l1", "l2", "l3"]) {
      await pods.create({
        metadata: { namespace, name, labels },
        spec: { affinity, containers: [{ name: "c", image: "web:1" }] },
      });
    }
    await eventually("two on their nodes, and the third refused", async () => {
      const all = await podsOf("loner");
      const nodes = all.map(({ spec }) => spec.nodeName).filter(Boolean);
      const refused = all.some(({ status }) =>
        status?.conditions?.some(({ message }) => message?.includes("anti-affinity rules")),
      );
      return new Set(nodes).size === 2 && nodes.length === 2 && refused;
    });
  });

  test("drives away a less important pod for a more important one", async () => {
    const pods = plane.admin.resource(PODS);
    const labels = { "kubernetes.io/hostname": "small" };
    const allocatable = { cpu: "1", memory: "1Gi", pods: "10" };
    const small = await startHollowKubelet(plane, "small", { allocatable, labels });
    const create = (name: string, priorityClassName: string) =>
      pods.create({
        metadata: { namespace, name, labels: { app: "rank" } },
        spec: {
          priorityClassName,
          nodeSelector: labels,
          containers: [{ name: "c", image: "web:1", resources: { requests: { cpu: "600m" } } }],
        },
      });
    const type = { group: "scheduling.k8s.io", version: "v1", plural: "priorityclasses" };
    const classes = plane.admin.resource<PriorityClass>({ ...type, namespaced: false });
    const kind = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass" };
    for (const [name, value] of [
      ["low", 1],
      ["high", 1_000],
    ] as const) {
      await classes.create({ ...kind, metadata: { name }, value });
    }
    await create("lowly", "low");
    await eventually("the lowly pod to run", async () => {
      return (await pods.get({ namespace, name: "lowly" })).status?.phase === "Running";
    });
    await create("noble", "high");
    await eventually("the noble pod in its place", async () => {
      const all = await podsOf("rank");
      return all.length === 1 && all[0]?.metadata.name === "noble" && all[0].spec.nodeName;
    });
    await small.close();
    await plane.admin.resource(NODES).delete({ name: "small" });
  });

  test("leaves gated pods alone until their gates are gone", async () => {
    const pods = plane.admin.resource(PODS);
    const name = { namespace, name: "gated" };
    await pods.create({
      metadata: name,
      spec: {
        schedulingGates: [{ name: "example.com/wait" }],
        containers: [{ name: "c", image: "web:1" }],
      },
    });
    await pods.create({
      metadata: { namespace, name: "after" },
      spec: { containers: [{ name: "c", image: "web:1" }] },
    });
    await eventually("the pod behind it", async () => {
      return (await pods.get({ namespace, name: "after" })).spec.nodeName;
    });
    expect((await pods.get(name)).spec.nodeName).toBeUndefined();
    await pods.patch(name, "json", [{ op: "remove", path: "/spec/schedulingGates" }]);
    await eventually("its node", async () => (await pods.get(name)).spec.nodeName);
  });
});
