import type { Case, Recorder } from "../recorder.ts";
import { configMap, deployment, pod } from "./bodies.ts";

/** One range of a node's pods, and all of them. */
async function patchRanges({ post, patch }: Pick<Recorder, "post" | "patch">): Promise<void> {
  const single = (name: string, spec: object) =>
    post("/api/v1/nodes", { metadata: { name: `update-range-${name}` }, spec });
  await single("a", { podCIDR: "10.2.0.0/24" });
  await single("b", { podCIDR: "10.2.1.0/24", podCIDRs: ["10.2.2.0/24", "fd00:2::/64"] });
  await single("c", { podCIDRs: ["10.2.3.0/24", "fd00:3::/64"] });
  await patch("/api/v1/nodes/update-range-a", "merge", { spec: { podCIDR: "10.2.4.0/24" } });
  await patch("/api/v1/nodes/update-range-c", "merge", { spec: { podCIDR: null } });
}

export const UPDATE: readonly Case[] = [
  {
    name: "update: versions",
    async run({ post, put, get }) {
      const made = await post("configmaps", configMap("a"));
      await put("configmaps/a", { ...made, data: { a: "2" } });
      await put("configmaps/a", { ...made, data: { a: "3" } });
      await put("configmaps/a", configMap("a", { data: { a: "4" } }));
      const now = await get("configmaps/a");
      await put("configmaps/a", now);
      await put("configmaps/a", configMap("a", { data: { a: "4" } }));
      await put("configmaps/a", { ...now, metadata: { ...now.metadata, resourceVersion: "abc" } });
      await put("configmaps/a", { ...now, metadata: { ...now.metadata, resourceVersion: "0" } });
      await put("configmaps/a", configMap("b"));
      await put("configmaps/a", { data: {} });
      await put("configmaps/missing", configMap("missing"));
      const uid = "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a";
      await put("configmaps/a", { metadata: { name: "a", uid } });
      await put("configmaps/a", { metadata: { name: "a", namespace: "elsewhere" } });
      await put("configmaps/a?dryRun=All", configMap("a", { data: { a: "5" } }));
      await get("configmaps/a");
      await put("configmaps/a", {
        ...now,
        metadata: { ...now.metadata, creationTimestamp: "2001-01-01T00:00:00Z" },
      });
      await put(
        "configmaps/a",
        configMap("a", { metadata: { name: "a", finalizers: ["example.com/f"] } }),
      );
      await put(
        "configmaps/a",
        configMap("a", { metadata: { name: "a", deletionTimestamp: "2001-01-01T00:00:00Z" } }),
      );
    },
  },
  {
    name: "update: generation, status",
    async run({ post, put, patch, get }) {
      const made = await post("apps/v1:deployments", deployment("d"));
      const at = "apps/v1:deployments/d";
      await patch(at, "merge", { metadata: { labels: { a: "b" } } });
      await patch(at, "merge", { spec: { replicas: 3 } });
      await patch(at, "merge", { status: { replicas: 9 } });
      await patch(at, "merge", { spec: { selector: { matchLabels: { app: "other" } } } });
      await patch(at, "merge", { metadata: { generation: 77 } });
      await patch(`${at}/status`, "merge", {
        status: { replicas: 2, observedGeneration: 2 },
        spec: { replicas: 8 },
      });
      await patch(`${at}/status`, "merge", {
        metadata: { labels: { from: "status" }, annotations: { x: "y" } },
      });
      const now = await get(at);
      await put(`${at}/status`, { ...now, status: { replicas: 4 } });
      await put(`${at}/status`, { ...made, status: { replicas: 5 } });
      await put(at, {
        ...now,
        metadata: { ...now.metadata, resourceVersion: "" },
        spec: made["spec"],
      });
      await get(`${at}/status`);
      await put(at, deployment("d", { replicas: -1 }));
      await put(at, { metadata: { name: "d" } });
    },
  },
  {
    name: "update: pods",
    async run({ post, put, patch, get }) {
      await post("pods", pod("p"));
      await patch("pods/p", "strategic", {
        spec: { containers: [{ name: "c", image: "example.com/c:2" }] },
      });
      await patch("pods/p", "merge", { spec: { hostname: "other" } });
      await patch("pods/p", "merge", { spec: { activeDeadlineSeconds: 60 } });
      await patch("pods/p", "merge", { spec: { activeDeadlineSeconds: 90 } });
      await patch("pods/p", "merge", { spec: { nodeName: "n" } });
      await patch("pods/p", "merge", { spec: { tolerations: [{ key: "k", operator: "Exists" }] } });
      await patch("pods/p", "json", [
        { op: "add", path: "/spec/tolerations/-", value: { key: "k", operator: "Exists" } },
      ]);
      await patch("pods/p/status", "merge", { status: { phase: "Running" } });
      await patch("pods/p/status", "strategic", {
        status: { conditions: [{ type: "Ready", status: "True" }] },
      });
      const now = await get("pods/p");
      await put("pods/p", { ...now, spec: { ...(now["spec"] as object), restartPolicy: "Never" } });
      await patch("pods/p/status", "merge", {
        status: { podIP: "nonsense", podIPs: [{ ip: "nonsense" }] },
      });
      const ips = (status: object) => patch("pods/p/status", "merge", { status });
      await ips({ podIP: "10.1.0.1" });
      await ips({ podIP: "10.1.0.2" });
      await ips({ podIP: null });
      await ips({ podIP: "10.1.0.3", podIPs: [{ ip: "10.1.0.4" }, { ip: "fd00::4" }] });
      await ips({ podIP: null, podIPs: [{ ip: "10.1.0.5" }, { ip: "fd00::5" }] });
      await ips({ podIP: "10.1.0.5", podIPs: [{}] });
      await ips({ podIP: null, podIPs: null });
    },
  },
  {
    name: "update: namespaces, nodes",
    async run({ post, put, patch, get, delete: remove, ns }) {
      const at = `/api/v1/namespaces/${ns}`;
      await patch(at, "merge", { metadata: { labels: { team: "x" } } });
      await patch(at, "merge", { spec: { finalizers: [] } });
      await get(`${at}/status`);
      await patch(`${at}/status`, "merge", { status: { phase: "Terminating" } });
      const now = await get(at);
      await put(`${at}/finalize`, { ...now, spec: { finalizers: ["example.com/own"] } });
      await put(`${at}/finalize`, {
        ...now,
        metadata: { name: ns },
        spec: { finalizers: ["nodomain"] },
      });
      await put(`${at}/finalize`, { metadata: { name: "different" } });
      await get(`${at}/finalize`);
      await patch(`${at}/finalize`, "merge", {});
      await post("/api/v1/nodes", { metadata: { name: "update-node" } });
      await patch("/api/v1/nodes/update-node", "strategic", {
        spec: { unschedulable: true, taints: [{ key: "k", effect: "NoSchedule" }] },
      });
      await patch("/api/v1/nodes/update-node", "strategic", {
        spec: { taints: [{ key: "k", effect: "Sometimes" }] },
      });
      await patchRanges({ post, patch });
      await patch("/api/v1/nodes/update-node/status", "merge", {
        status: { capacity: { cpu: "4", memory: "8Gi", pods: "110" } },
      });
      await patch("/api/v1/nodes/update-node", "merge", {
        spec: { podCIDR: "10.9.0.0/24", podCIDRs: ["10.9.0.0/24"] },
      });
      await patch("/api/v1/nodes/update-node", "merge", {
        spec: { podCIDR: "10.8.0.0/24", podCIDRs: ["10.8.0.0/24"] },
      });
      await remove("/api/v1/nodes/update-node");
    },
  },
];
