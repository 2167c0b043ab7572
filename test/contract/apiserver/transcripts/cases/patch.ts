import type { Case } from "../recorder.ts";
import { configMap, deployment } from "./bodies.ts";

export const PATCH: readonly Case[] = [
  {
    name: "patch: merge",
    async run({ post, patch, ask }) {
      const { metadata } = await post("configmaps", configMap("a"));
      await patch("configmaps/a", "merge", { data: { b: "2", a: null } });
      await patch("configmaps/a", "merge", {});
      await patch("configmaps/a", "merge", "null");
      await patch("configmaps/a", "merge", "[]");
      await patch("configmaps/a", "merge", "{");
      await patch("configmaps/a", "merge", "");
      await patch("configmaps/a", "merge", { metadata: { name: "b" } });
      await patch("configmaps/a", "merge", { metadata: { namespace: "b" } });
      await patch("configmaps/a", "merge", {
        metadata: { uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" },
      });
      await patch("configmaps/a", "merge", {
        metadata: { resourceVersion: metadata.resourceVersion },
      });
      await patch("configmaps/a", "merge", { kind: "Secret" });
      await patch("configmaps/a", "merge", { apiVersion: "v2" });
      await patch("configmaps/a", "merge", { data: { a: 1 } });
      await patch("configmaps/a", "merge", { data: "text" });
      await patch("configmaps/missing", "merge", { data: {} });
      await patch("configmaps/a?dryRun=All", "merge", { data: { dry: "run" } });
      await patch("configmaps/a?force=true", "merge", { data: {} });
      await patch("configmaps/a?fieldManager=me", "merge", { data: { mine: "1" } });
      await patch("configmaps", "merge", {});
      for (const type of [
        "application/json",
        "text/plain",
        "application/merge-patch+yaml",
        "nonsense",
      ]) {
        await ask("PATCH", "configmaps/a", { type, body: "{}" });
      }
      await ask("PATCH", "configmaps/a", {
        headers: { "content-length": "2" },
        body: "{}",
        type: "",
      });
    },
  },
  {
    name: "patch: json",
    async run({ post, patch }) {
      await post("configmaps", configMap("a"));
      const send = (body: unknown) => patch("configmaps/a", "json", body);
      await send([{ op: "add", path: "/data/b", value: "2" }]);
      await send([{ op: "test", path: "/data/b", value: "3" }]);
      await send([{ op: "remove", path: "/data/zzz" }]);
      await send([{ op: "replace", path: "/data/zzz", value: "1" }]);
      await send([{ op: "move", from: "/data/b", path: "/data/c" }]);
      await send([{ op: "copy", from: "/data/c", path: "/data/d" }]);
      await send([{ op: "copy", from: "/data/zzz", path: "/data/d" }]);
      await send([{ op: "frobnicate", path: "/data/d" }]);
      await send([{ op: "add", path: "/data/x/y/z", value: "1" }]);
      await send([{ op: "add", path: "nonsense", value: "1" }]);
      await send([{ path: "/data/d" }]);
      await send({ op: "add" });
      await send("[");
      await send([]);
      await send([{ op: "add", path: "/unknown", value: 1 }]);
      await send([{ op: "replace", path: "/metadata/name", value: "b" }]);
      await send([{ op: "add", path: "/data/n", value: 5 }]);
      await send([{ op: "remove", path: "" }]);
    },
  },
  {
    name: "patch: strategic",
    async run({ post, patch }) {
      await post("apps/v1:deployments", deployment("d"));
      const send = (spec: unknown) =>
        patch("apps/v1:deployments/d", "strategic", { spec: { template: { spec } } });
      await send({ containers: [{ name: "c", env: [{ name: "A", value: "1" }] }] });
      await send({ containers: [{ name: "d", image: "d:1" }] });
      await send({ containers: [{ name: "c", env: [{ name: "A", $patch: "delete" }] }] });
      await send({ $setElementOrder: 1 });
      await send({
        "$setElementOrder/containers": [{ name: "d" }, { name: "c" }],
        containers: [{ name: "d", image: "d:2" }],
      });
      await send({ containers: [{ image: "nameless" }] });
      await send({ containers: [{ name: "c", $patch: "nonsense" }] });
      await send({ $retainKeys: ["containers"], containers: [{ name: "c", image: "c:3" }] });
      await send({ containers: [{ $patch: "replace" }, { name: "z", image: "z:1" }] });
      await send({ containers: "text" });
      await patch("apps/v1:deployments/d", "strategic", "[]");
      await patch("apps/v1:deployments/d", "strategic", "nonsense");
      await patch("apps/v1:deployments/d", "strategic", {
        metadata: { labels: { a: "b" }, finalizers: ["example.com/a"] },
      });
      await patch("apps/v1:deployments/d", "strategic", {
        metadata: { "$deleteFromPrimitiveList/finalizers": ["example.com/a"] },
      });
    },
  },
  {
    name: "patch: apply",
    async run({ patch, get, ns }) {
      const send = (query: string, body: unknown) => patch(`configmaps/a${query}`, "apply", body);
      const head = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
      await send("", { ...head, data: { a: "1" } });
      await send("?fieldManager=one", { ...head, data: { a: "1" } });
      await send("?fieldManager=one", { ...head, data: { a: "1" } });
      await send("?fieldManager=two", { ...head, data: { a: "2" } });
      await send("?fieldManager=two&force=true", { ...head, data: { a: "2" } });
      await send("?fieldManager=one", `apiVersion: v1\nkind: ConfigMap\ndata:\n  y: "yaml"\n`);
      await send("?fieldManager=one", { ...head, metadata: { name: "b" } });
      await send("?fieldManager=one", { ...head, metadata: { name: "a", namespace: "b" } });
      await send("?fieldManager=one", { ...head, metadata: { name: "a", namespace: ns } });
      await send("?fieldManager=one", { kind: "ConfigMap" });
      await send("?fieldManager=one", { apiVersion: "v1" });
      await send("?fieldManager=one", { apiVersion: "v2", kind: "ConfigMap" });
      await send("?fieldManager=one", { apiVersion: "v1", kind: "Secret" });
      await send("?fieldManager=one", { ...head, metadata: { managedFields: [{ manager: "m" }] } });
      await send("?fieldManager=one", { ...head, metadata: { resourceVersion: "1" } });
      await send("?fieldManager=one", {
        ...head,
        metadata: { uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" },
      });
      await send("?fieldManager=one", "nonsense: [");
      await send("?fieldManager=one", "- list");
      await send("?fieldManager=one", "");
      await send("?fieldManager=one", { ...head, data: { a: 1 } });
      await send("?fieldManager=one&fieldValidation=Strict", { ...head, unknown: 1 });
      await send("?fieldManager=one&fieldValidation=Warn", { ...head, unknown: 1 });
      await send(
        "?fieldManager=one&fieldValidation=Strict",
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: x, a: y}\n",
      );
      await send("?fieldManager=one&dryRun=All", { ...head, data: { dry: "1" } });
      await patch("configmaps/new?fieldManager=one&dryRun=All", "apply", {
        apiVersion: "v1",
        kind: "ConfigMap",
      });
      await patch("configmaps/Bad_Name?fieldManager=one", "apply", {
        apiVersion: "v1",
        kind: "ConfigMap",
      });
      await get("configmaps/a");
    },
  },
  {
    name: "patch: apply with scale and status",
    async run({ patch, get }) {
      const at = "apps/v1:deployments/d";
      const whole = { apiVersion: "apps/v1", kind: "Deployment", ...deployment("d") };
      await patch(`${at}?fieldManager=one`, "apply", whole);
      await patch(`${at}/scale?fieldManager=two`, "apply", {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        spec: { replicas: 5 },
      });
      await patch(`${at}/scale?fieldManager=two&force=true`, "apply", {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        spec: { replicas: 5 },
      });
      await patch(`${at}/status?fieldManager=three`, "apply", {
        apiVersion: "apps/v1",
        kind: "Deployment",
        status: { replicas: 3 },
      });
      await patch(`${at}?fieldManager=one`, "apply", whole);
      await patch(`${at}?fieldManager=one`, "apply", {
        ...whole,
        spec: { ...whole.spec, replicas: undefined },
      });
      await patch(`${at}?fieldManager=four&force=true`, "apply", {
        apiVersion: "apps/v1",
        kind: "Deployment",
        spec: { template: { spec: { containers: [{ name: "c" }, { name: "c" }] } } },
      });
      await get(at);
    },
  },
  {
    name: "patch: applied values of other types",
    async run({ patch }) {
      const send = (spec: unknown) => patch("apps/v1:deployments/d?fieldManager=one", "apply", {
        apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec,
      });
      for (const replicas of ["three", true, [1], { a: 1 }]) await send({ replicas });
      for (const paused of [1, "yes", { a: [1, "b"] }]) await send({ paused });
      for (const selector of [1, "text", ["a", 2]]) await send({ selector });
      for (const label of [1, 1.5, true, [1, "x"], { f: 1, a: "b" }]) {
        await send({ selector: { matchLabels: { label } } });
      }
      await send({ selector: { matchExpressions: [{ key: 1 }, { key: "b", values: [1] }] } });
    },
  },
];
