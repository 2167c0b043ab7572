import type { Pod, PodCondition } from "@raft2kube/api/gen/core/v1.ts";
import type { PriorityClass } from "@raft2kube/api/gen/scheduling/v1.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

// Each writer of a pod's condition names the generation of the pod that it saw (KEP-5067).

let plane: ControlPlane;
const kubelets: HollowKubelet[] = [];
const namespace = "default";
const HOLD = "r2k.test/hold";
const HOST = "kubernetes.io/hostname";

beforeAll(async () => {
  plane = await startControlPlane({ nodeMonitorGracePeriod_ms: 3_000 });
});

afterAll(async () => {
  for (const kubelet of kubelets) await kubelet.close();
  await plane.close();
});

/** A node of its own for each test, with room for one pod. */
async function node(name: string): Promise<HollowKubelet> {
  const allocatable = { cpu: "1", memory: "1Gi", pods: "10" };
  const kubelet = await startHollowKubelet(plane, name, {
    allocatable,
    labels: { [HOST]: name },
    renew_ms: 300,
  });
  kubelets.push(kubelet);
  return kubelet;
}

/** A pod that stays when it is deleted, so that its conditions can be read. */
async function pod(name: string, where: string, more: Partial<Pod["spec"]> = {}): Promise<void> {
  const resources = { requests: { cpu: "600m" } };
  await plane.admin
    .resource(PODS)
    .create({
      metadata: { namespace, name, finalizers: [HOLD] },
      spec: {
        nodeSelector: { [HOST]: where },
        containers: [{ name: "c", image: "web:1", resources }],
        ...more,
      },
    });
}

async function condition(name: string, wanted: Partial<PodCondition>): Promise<PodCondition> {
  const pods = plane.admin.resource(PODS);
  const fields = Object.keys(wanted) as (keyof PodCondition)[];
  return waitFor(
    `${name}: ${JSON.stringify(wanted)}`,
    async () => {
      const { status } = await pods.get({ namespace, name });
      return status?.conditions?.find((each) =>
        fields.every((field) => each[field] === wanted[field]),
      );
    },
    { timeout_ms: 50_000, interval_ms: 30 },
  );
}

async function letGo(name: string): Promise<void> {
  const patch = { metadata: { finalizers: null } };
  await plane.admin.resource(PODS).patch({ namespace, name }, "merge", patch);
}

test("the scheduler, of a pod that fits nowhere", async () => {
  await pod("nowhere", "none");
  const reported = await condition("nowhere", { type: "PodScheduled", status: "False" });
  expect(reported.observedGeneration).toBe(1);
});

test("the scheduler, of a pod that another takes the place of", async () => {
  await node("small");
  const plural = "priorityclasses";
  const type = { group: "scheduling.k8s.io", version: "v1", plural, namespaced: false };
  const kind = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass" };
  const classes = plane.admin.resource<PriorityClass>(type);
  await classes.create({ ...kind, metadata: { name: "high" }, value: 1_000 });
  await pod("lowly", "small");
  await condition("lowly", { type: "Ready", status: "True" });
  await pod("noble", "small", { priorityClassName: "high" });
  const reported = await condition("lowly", { reason: "PreemptionByScheduler" });
  expect(reported.observedGeneration).toBe(1);
  await letGo("lowly");
});

test("the taint manager, of a pod that does not tolerate its node", async () => {
  await node("tainted");
  await pod("intolerant", "tainted");
  await condition("intolerant", { type: "Ready", status: "True" });
  const taints = [{ key: "r2k.test/away", effect: "NoExecute" as const }];
  await plane.admin.resource(NODES).patch({ name: "tainted" }, "merge", { spec: { taints } });
  const reported = await condition("intolerant", { reason: "DeletionByTaintManager" });
  expect(reported.observedGeneration).toBe(1);
  await letGo("intolerant");
});

test("the node controller, of a pod whose node is silent", async () => {
  const kubelet = await node("silent");
  const tolerations = [{ operator: "Exists" as const }];
  await pod("unheard", "silent", { tolerations });
  await condition("unheard", { type: "Ready", status: "True" });
  await kubelet.close();
  const reported = await condition("unheard", { type: "Ready", status: "False" });
  expect(reported.observedGeneration).toBe(1);
  await letGo("unheard");
});
