import type { Case } from "../recorder.ts";
import { configMap, deployment, labelled, pod } from "./bodies.ts";

const finalized = (name: string) => ({ metadata: { name, finalizers: ["example.com/hold"] } });

export const DELETE: readonly Case[] = [
  {
    name: "delete: one",
    async run({ post, delete: remove, get }) {
      await post("configmaps", configMap("a"));
      await remove("configmaps/a?dryRun=All");
      await get("configmaps/a");
      await remove("configmaps/a");
      await remove("configmaps/a");
      await post("configmaps", configMap("b"));
      await remove("configmaps/b", { kind: "DeleteOptions", apiVersion: "v1", dryRun: ["All"] });
      await remove("configmaps/b", { dryRun: ["Some"] });
      await remove("configmaps/b", { gracePeriodSeconds: -1 });
      await remove("configmaps/b", { propagationPolicy: "Sideways" });
      await remove("configmaps/b?propagationPolicy=Sideways");
      await remove("configmaps/b", { propagationPolicy: "Orphan", orphanDependents: true });
      await remove("configmaps/b", { kind: "Pod", apiVersion: "v1" });
      await remove("configmaps/b", "{");
      await remove("configmaps/b", "nonsense", { type: "text/plain" });
      await remove("configmaps/b", "propagationPolicy: Background\n", { type: "application/yaml" });
      await post("configmaps", configMap("c"));
      await remove("configmaps/c?gracePeriodSeconds=5");
      await post("configmaps", configMap("d"));
      await remove("configmaps/d?gracePeriodSeconds=soon");
      await remove("configmaps/d", { unknownField: 1 });
      await remove("apps/v1:deployments/none");
    },
  },
  {
    name: "delete: preconditions",
    async run({ post, delete: remove }) {
      const { metadata } = await post("configmaps", configMap("a"));
      await remove("configmaps/a", {
        preconditions: { uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" },
      });
      await remove("configmaps/a", { preconditions: { resourceVersion: "1" } });
      const { uid, resourceVersion } = metadata;
      await remove("configmaps/a", { preconditions: { uid, resourceVersion } });
      await remove("configmaps/a", { preconditions: { uid } });
    },
  },
  {
    name: "delete: finalizers and propagation",
    async run({ post, delete: remove, get, patch, put }) {
      await post("configmaps", finalized("held"));
      await remove("configmaps/held");
      await remove("configmaps/held");
      const held = await get("configmaps/held");
      await put("configmaps/held", { ...held, data: { still: "here" } });
      await patch("configmaps/held", "merge", {
        metadata: { finalizers: ["example.com/hold", "example.com/more"] },
      });
      await patch("configmaps/held", "merge", { metadata: { finalizers: null } });
      await get("configmaps/held");
      for (const policy of ["Foreground", "Orphan", "Background"]) {
        await post("configmaps", configMap(policy.toLowerCase()));
        await remove(`configmaps/${policy.toLowerCase()}?propagationPolicy=${policy}`);
        await get(`configmaps/${policy.toLowerCase()}`);
      }
      await post("configmaps", configMap("o"));
      await remove("configmaps/o?orphanDependents=true");
      await post("configmaps", finalized("f"));
      await remove("configmaps/f", { propagationPolicy: "Foreground" });
      await remove("configmaps/f", { propagationPolicy: "Orphan" });
      await remove("configmaps/f", { propagationPolicy: "Background" });
      await post("apps/v1:deployments", deployment("d"));
      await remove("apps/v1:deployments/d", { propagationPolicy: "Foreground" });
      await get("apps/v1:deployments/d");
    },
  },
  {
    name: "delete: pods",
    async run({ post, delete: remove, get, patch }) {
      await post("pods", pod("pending"));
      await remove("pods/pending");
      await get("pods/pending");
      await post("pods", pod("placed", { nodeName: "n", terminationGracePeriodSeconds: 45 }));
      await remove("pods/placed?dryRun=All");
      await remove("pods/placed");
      await remove("pods/placed");
      await remove("pods/placed?gracePeriodSeconds=10");
      await remove("pods/placed?gracePeriodSeconds=20");
      await get("pods/placed");
      await patch("pods/placed", "merge", { metadata: { labels: { dying: "yes" } } });
      await remove("pods/placed?gracePeriodSeconds=0");
      await get("pods/placed");
      await post("pods", pod("now", { nodeName: "n" }));
      await remove("pods/now", { gracePeriodSeconds: 0 });
      await post("pods", pod("done", { nodeName: "n" }));
      await patch("pods/done/status", "merge", { status: { phase: "Succeeded" } });
      await remove("pods/done");
      await get("pods/done");
    },
  },
  {
    name: "delete: collections",
    async run({ post, delete: remove, get }) {
      for (const name of ["a", "b", "c", "d"]) {
        await post(
          "configmaps",
          labelled(name, { half: "ab".includes(name) ? "first" : "second" }),
        );
      }
      await post("configmaps", finalized("held"));
      await remove("configmaps?labelSelector=half%3Dfirst&dryRun=All");
      await remove("configmaps?labelSelector=half%3Dfirst");
      await remove("configmaps?fieldSelector=metadata.name%3Dc");
      await remove("configmaps?labelSelector=nonsense!!");
      await remove("configmaps?fieldSelector=data.a%3D1");
      await remove("configmaps", {
        preconditions: { uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" },
      });
      await remove("configmaps", { propagationPolicy: "Foreground" });
      await get("configmaps");
      await remove("secrets");
      await remove("services");
      await post("pods", pod("a", { nodeName: "n" }));
      await post("pods", pod("b"));
      await remove("pods?gracePeriodSeconds=0");
      await remove("/api/v1/namespaces");
      await remove("/api/v1/configmaps?labelSelector=none%3Dsuch");
      await remove("apps/v1:deployments?limit=1");
      await remove("configmaps?resourceVersion=1&resourceVersionMatch=Exact");
    },
  },
  {
    name: "delete: namespaces",
    async run({ post, delete: remove, get, put }) {
      const at = "/api/v1/namespaces/s-doomed";
      await post("/api/v1/namespaces", { metadata: { name: "s-doomed" } });
      await post(`${at}/serviceaccounts`, { metadata: { name: "default" } });
      await post(`${at}/configmaps`, configMap("a"));
      await remove("/api/v1/namespaces/default");
      await remove("/api/v1/namespaces/kube-system");
      await remove("/api/v1/namespaces/kube-public");
      await remove("/api/v1/namespaces/nowhere-at-all");
      await remove(at);
      await remove(at);
      await get(at);
      await post(`${at}/configmaps`, configMap("b"));
      await put(`${at}/configmaps/a`, configMap("a", { data: { a: "2" } }));
      await post(`${at}/pods`, pod("b"));
      await remove(`${at}/configmaps/a`);
      const { metadata } = await get(at);
      await put(`${at}/finalize`, { metadata, spec: { finalizers: [] } });
      await get(at);
      await post(`${at}/configmaps`, configMap("b"));
    },
  },
];
