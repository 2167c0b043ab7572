import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import {
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  LEASES,
  NODES,
  PODS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane } from "./file-control-plane.ts";

const GRACE_MS = 4_000;
const settings = { nodeMonitorGracePeriod_ms: GRACE_MS };
const plane = fileControlPlane(["n1", "n2"], settings, { renew_ms: 300 });
const { eventually, kubelets } = plane;
const namespace = "default";

test("a node whose kubelet says that it is not ready keeps its endpoints", async () => {
  const pods = plane.admin.resource(PODS);
  const nodes = plane.admin.resource(NODES);
  const tolerations = [{ operator: "Exists" as const }];
  const where = { namespace, name: "stays" };
  await pods.create({
    metadata: where,
    spec: { nodeName: "n1", tolerations, containers: [{ name: "c", image: "web:1" }] },
  });
  const isReady = ({ status }: Pod | Node) =>
    status?.conditions?.some((one) => one.type === "Ready" && one.status === "True");
  const before = await eventually("a ready pod", async () => {
    const pod = await pods.get(where);
    return isReady(pod) ? pod : undefined;
  });
  const say = (status: string) => {
    const condition = { type: "Ready", status, lastHeartbeatTime: timeText(plane.clock.now()) };
    const patch = { status: { conditions: [condition] } };
    return nodes.patch({ name: "n1", subresource: "status" }, "strategic", patch);
  };
  const tainted = async () => {
    const {
      spec: { taints = [] },
    } = await nodes.get({ name: "n1" });
    return taints.some((taint) => taint.key === "node.kubernetes.io/not-ready");
  };
  await say("False");
  await eventually("the taint", tainted);
  await say("True");
  // The controller takes the taint away only after all it did for the node that was not ready.
  await eventually("the taint to go", async () => !(await tainted()));
  const after = await pods.get(where);
  expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  await pods.delete(where);
});

test("a node that falls silent loses its endpoints, then its pods, to the others", async () => {
  const pods = plane.admin.resource(PODS);
  const nodes = plane.admin.resource(NODES);
  const leases = plane.admin.resource(LEASES);
  const slices = plane.admin.resource(ENDPOINT_SLICES);
  const labels = { app: "web" };
  const key = "node.kubernetes.io/unreachable";
  const toleration = { key, operator: "Exists" as const, effect: "NoExecute" as const };
  const spec = {
    containers: [{ name: "c", image: "web:1" }],
    tolerations: [{ ...toleration, tolerationSeconds: 1 }],
  };
  await plane.admin
    .resource(SERVICES)
    .create({
      metadata: { namespace, name: "web" },
      spec: { selector: labels, ports: [{ port: 80 }] },
    });
  await plane.admin
    .resource(DEPLOYMENTS)
    .create({
      metadata: { namespace, name: "web" },
      spec: {
        replicas: 4,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      },
    });
  const live = async () => {
    const { items } = await pods.list({ namespace, labelSelector: "app=web" });
    return items.filter((pod) => !pod.metadata.deletionTimestamp);
  };
  const readyOn = async (name: string) => {
    const labelSelector = "kubernetes.io/service-name=web";
    const { items } = await slices.list({ namespace, labelSelector });
    const endpoints = items.flatMap((slice) => slice.endpoints);
    return endpoints.filter((e) => e.conditions?.ready && e.nodeName === name).length;
  };
  await eventually("pods serving on both nodes", async () => {
    return (await readyOn("n1")) > 0 && (await readyOn("n2")) > 0 && (await live()).length === 4;
  });

  const served = (await live()).filter(({ spec: { nodeName } }) => nodeName === "n1");
  await kubelets.get("n1")?.close();
  kubelets.delete("n1");
  const lost = await eventually("the node to count as lost", async () => {
    const node = await nodes.get({ name: "n1" });
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    const tainted = node.spec.taints?.some((taint) => {
      return taint.key === key && taint.effect === "NoExecute";
    });
    return ready?.status === "Unknown" && tainted ? node : undefined;
  });
  expect(lost.spec.taints?.map(({ effect }) => effect).sort()).toEqual(["NoExecute", "NoSchedule"]);
  const lease = await leases.get({ namespace: "kube-node-lease", name: "n1" });
  const changed = lost.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
  // A condition's time leaves out the part of a second.
  expect(Date.parse(changed ?? "") - Date.parse(lease.spec.renewTime ?? "")).toBeGreaterThan(
    GRACE_MS - 1_000,
  );
  await eventually("its endpoints to go", async () => (await readyOn("n1")) === 0);
  await eventually("all pods on the other node", async () => {
    const running = await live();
    return running.length === 4 && running.every(({ spec: { nodeName } }) => nodeName === "n2");
  });
  await eventually("all of them serving", async () => (await readyOn("n2")) === 4);
  // Their containers may still run: only their kubelet can end them and let their names go.
  for (const {
    metadata: { name = "", uid },
  } of served) {
    const { metadata } = await pods.get({ namespace, name });
    expect(metadata).toMatchObject({ uid, deletionTimestamp: expect.any(String) as string });
  }

  // The last node must keep its pods: without a ready node the control plane has the fault.
  await kubelets.get("n2")?.close();
  kubelets.delete("n2");
  await eventually("the last node to count as lost", async () => {
    const node = await nodes.get({ name: "n2" });
    return node.status?.conditions?.some(({ type, status }) => {
      return type === "Ready" && status === "Unknown";
    });
  });
  const taints = await eventually("its taint", async () => {
    const {
      spec: { taints: found },
    } = await nodes.get({ name: "n2" });
    return found?.length ? found : undefined;
  });
  expect(taints.map(({ effect }) => effect)).toEqual(["NoSchedule"]);
});
