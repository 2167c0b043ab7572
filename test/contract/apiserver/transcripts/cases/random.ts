/** Unexpected results of random sequences (`../../random`),
  in their shortest form. */
import type { Case } from "../recorder.ts";
import { configMap, deployment, labelled, pod, service } from "./bodies.ts";

const as = (kind: string, version = "v1") =>
  `application/json;as=${kind};v=${version};g=meta.k8s.io`;
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const MERGE = "application/merge-patch+json";

/** Weights that are none or 0, parameters without a meaning, forms that there are not. */
const ACCEPTS = [
  `${as("Status")}; q=0.1,application/json;g=meta.k8s.io`, "application/JSON;q=2",
  "application/json;g=meta.k8s.io", "application/*", `application/*,${PROTOBUF};q=0`,
  "*/*;q=0", `*/*;q=1, ${as("Table", "v7")};q=2, ${as("PartialObjectMetadataList")}; q=0.1`,
  "application/json;as=Table;q=x", `${as("Status")};q=x`, `${PROTOBUF};stream=watch`,
  "application/yaml;stream=watch", "application/json;sv=v2,application/yaml", ";q=0.9, */*",
  `application/json;g=meta.k8s.io;q=1, application/json;q=0.5, ${PROTOBUF};q=0.9`,
  "application/json;pretty=1", "*", "application/json/x, application/yaml;x",
  `${as("PartialObjectMetadata")},application/*`, `${as("Table")};x=1`,
];

/** Each wrong in several ways: which is reported? */
const LISTS = [
  "labelSelector=app%20in%20(a%2C%3D)&sendInitialEvents=0", "timeoutSeconds=", "limit=",
  "timeoutSeconds=x&labelSelector=%3D", "resourceVersion=1.0&fieldSelector=a%3Db",
  "fieldSelector=b%3Dc%2Ca%3Db", "resourceVersion=99999999999999999999",
  "limit=9999999999999999999", "continue=x", "continue=x&resourceVersion=abc", "continue=%20",
  "continue=eyJ2IjoidjIifQ", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0",
  "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi94In0",
  "includeObject=none", "resourceVersionMatch=NotOlderThan&timeoutSeconds=",
  "watch=1&timeoutSeconds=1&limit=x", "watch=1&resourceVersionMatch=Exact&continue=x",
];

const LABELS = ["app in ()", "app in (,)", "app in (a", "app in (a,b,)", "app in (a,,b)",
  "app in (a b)", "app in (=)", "app in a", "app notin (-)", "app>=3", "app in (a,-,b)"];
const FIELDS = ["metadata.name=a=b", "metadata.name=a\\,b", "metadata.name=\\",
  "metadata.name=a\\b",
  "x,spec.nodeName=", "metadata.name=\\,metadata.name=a", "!metadata.name", "=a", "a"];

const OPTIONS = [
  { kind: "ConfigMap" }, { kind: "Pod", apiVersion: "v1" }, { apiVersion: "a/b/c" },
  { propagationPolicy: "foreground", orphanDependents: true }, { gracePeriodSeconds: "x" },
  { gracePeriodSeconds: 1.5 }, { orphanDependents: 1 }, { preconditions: { uid: 1 } },
  { dryRun: ["x"], propagationPolicy: "x" }, { dryRun: "All" }, [],
];

const OPERATIONS: readonly unknown[] = [
  [{ op: "copy", from: "/data/none", path: "/data/d" }], [{ op: "copy", from: "/none",
  path: "/metadata" }],
  [{ op: "move", from: "/data/none", path: "/data/d" }], [{ op: "test", path: "/data/none" }],
  [{ op: "test", path: "/data/none", value: null }], [{ op: "test", path: "/none/x" }],
  [{ op: "add", path: "x/data/e", value: "1" }], [{ op: "add", path: "", value: {} }],
  [{ op: "add", path: "/data/f" }], [{ op: "replace", path: "", value: 1 }],
  [{ op: "add", path: "/metadata/finalizers", value: ["a.io/a", "a.io/b"] },
    { op: "add", path: "/metadata/finalizers/-1", value: "a.io/c" },
    { op: "replace", path: "/metadata/finalizers/-3", value: "a.io/d" },
    { op: "remove", path: "/metadata/finalizers/01" }],
  [{ op: "add", path: "/metadata/finalizers/9", value: "a.io/e" }],
  [{ op: "test", path: "/metadata/finalizers/9", value: "x" }],
];

const cpu = (target: object) => ({ type: "Resource", resource: { name: "cpu", target } });
const HALF = { type: "Utilization", averageUtilization: 50 };
const outside = (target: object) => ({ metric: { name: "m" }, target });

/** The metrics of an autoscaler, each alone. */
const METRICS: readonly object[] = [
  {}, { type: "Odd" }, { object: {} }, { type: "Object", object: {} }, { type: "Pods" },
  { type: "Resource", pods: outside({ type: "AverageValue", averageValue: "1" }) },
  { ...cpu(HALF), pods: outside({ type: "AverageValue", averageValue: "1" }) },
  cpu({ ...HALF, averageValue: "1" }), cpu({ type: "Value", value: "1" }),
  { type: "External", external: outside({ type: "Value", value: "1", averageValue: "0" }) },
  { type: "External", external: outside({ type: "AverageValue" }) },
  { type: "ContainerResource", containerResource: { name: "odd", container: "C", target: HALF } },
  { type: "ContainerResource", containerResource: { name: "cpu", target: HALF } },
  { type: "Object", object: { ...outside({ type: "Value", value: "1" }),
    describedObject: { kind: "Service", name: "s", apiVersion: "a/b/c" } } },
  { type: "Object", object: { ...outside({ type: "Value", value: "1" }),
    describedObject: { kind: "Service", name: "s" } } },
  { type: "Pods", pods: { ...outside({ type: "AverageValue", averageValue: "1" }),
    metric: { name: "a/b", selector: { matchLabels: { "a b": "c" } } } } },
];

export const RANDOM: readonly Case[] = [
  {
    name: "random: accept",
    async run({ get, ask }) {
      for (const accept of ACCEPTS) {
        await get("configmaps", { accept });
        await get("configmaps/none", { accept });
      }
      await ask("DELETE", "configmaps/none", { accept: as("Status") });
      await ask("PUT", "configmaps", { accept: "text/html", body: {} });
      await get("configmaps/none/status", { accept: "text/html" });
      await get("/api/v1/componentstatuses/none/x", { accept: "text/html" });
    },
  },
  {
    name: "random: lists",
    async run({ get, post, ask }) {
      for (const query of LISTS) await get(`configmaps?${query}`);
      for (const text of LABELS) await get(`pods?labelSelector=${encodeURIComponent(text)}`);
      for (const text of FIELDS) await get(`pods?fieldSelector=${encodeURIComponent(text)}`);
      await get("batch/v1:jobs?fieldSelector=spec.x%3D1");
      await get("/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.x%3D1");
      await post("configmaps", labelled("a", { x: "1" }));
      await post("configmaps", labelled("b", { x: "1" }));
      await ask("DELETE", "configmaps?labelSelector=x%3D1&limit=1");
      await ask("DELETE", "configmaps?fieldSelector=x&dryRun=");
      await get("configmaps?labelSelector=x%3D1");
    },
  },
  {
    name: "random: deletions",
    async run({ post, delete: remove, patch, put }) {
      const held = (name: string) => ({ metadata: { name, finalizers: ["example.com/hold"] } });
      const { metadata } = await post("configmaps", held("a"));
      for (const body of OPTIONS) await remove("configmaps/a", body);
      await remove("configmaps/a", "{}", { type: "*/*" });
      await remove("configmaps/a", "{}", { type: "text/yaml" });
      await remove("configmaps/a?dryRun=All&orphanDependents=0&gracePeriodSeconds=");
      await remove("configmaps/a?dryRun=All", { orphanDependents: false });
      await post("configmaps", configMap("a"));
      await patch("configmaps/a", "merge", { metadata: { finalizers: null } });
      await put("configmaps/a", { metadata: { name: "a", uid: metadata.uid } });
      await put("services/a", { ...service("a"), metadata });
    },
  },
  {
    name: "random: patches",
    async run({ post, patch, ask }) {
      await post("configmaps", configMap("a"));
      for (const operations of OPERATIONS) await patch("configmaps/a", "json", operations);
      await patch("configmaps/a", "merge", { metadata: { managedFields: [] } });
      await patch("configmaps/a", "merge", { data: { z: "1" } });
      await patch("configmaps/a", "strategic", { metadata: { $patch: "merge" } });
      await patch("configmaps/a", "strategic", { data: { $patch: "nonsense" } });
      for (const body of [" ", "true", "[", "{}"]) {
        await ask("PATCH", "configmaps/none", { type: MERGE, body });
      }
      await ask("PATCH", "configmaps/a?dryRun=all", { type: "application/json", body: "{}" });
      await ask("PATCH", "configmaps/a", { accept: "nonsense", body: "{}" });
      await post("pods", pod("p"));
      await patch("pods/p", "merge", { spec: { containers: [{ name: "c" }] } });
      await patch("pods/p", "merge", { spec: { containers: [{ name: "c", image: " i" }] } });
    },
  },
  {
    name: "random: applies",
    async run({ patch, get, put, post }) {
      const head = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } };
      const apply = (path: string, body: object) =>
        patch(`${path}?fieldManager=one`, "apply", body);
      await apply("pods/p/status", { ...head, unknown: 1 });
      await apply("pods/p", { ...head, spec: { volumes: [{}, {}] } });
      await apply("pods/p", { ...head, spec: { containers: [{ name: "c", ports: [{}, {}] }] } });
      await apply("pods/p", { apiVersion: "v1", kind: null });
      await apply("secrets/s", { apiVersion: "v1", kind: "Secret", metadata: { name: "s" },
        type: "kubernetes.io/ssh-auth", data: { "ssh-privatekey": "" } });
      const selector = { matchExpressions: [{ key: "app", operator: "In", values: ["w"] }] };
      await post("apps/v1:deployments", deployment("d", { selector }));
      await get("apps/v1:deployments/d/scale");
      await get("apps/v1:deployments/d", { accept: as("Table") });
      await put("apps/v1:deployments/d/scale", { metadata: { name: "d" } });
      const volume = "/api/v1/persistentvolumes/random-volume";
      await apply(volume, { apiVersion: "v1", kind: "PersistentVolume",
        metadata: { name: "random-volume" },
        spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"],
          persistentVolumeReclaimPolicy: "Recycle", nfs: { server: "s", path: "/" },
          claimRef: { name: "c", namespace: "n" } } });
      await patch(volume, "merge", { spec: { capacity: { storage: "4-" } } });
    },
  },
  {
    name: "random: bodies and places",
    async run({ post, put, ask }) {
      const send = (body: unknown, type?: string) =>
        put("configmaps/a", body, type === undefined ? {} : { type });
      await send({ kind: "Deployment", apiVersion: "a/b/c" });
      await send({ kind: "SecretList", apiVersion: "v1" });
      await send("{}", ";");
      await send("{}", "*/*");
      await send("a: b", "application/x-yaml");
      await post("/api/v1/bindings", "{}");
      for (const method of ["POST", "DELETE", "OPTIONS"]) await ask(method, "/apis/apps");
      await ask("HEAD", "/apis/apps");
      for (const path of ["events/a/ephemeralcontainers", "configmaps/a/status/x",
      "pods/a/nosuch"]) {
        await ask("HEAD", path);
        await ask("GET", path, { accept: PROTOBUF });
      }
      await post("discovery.k8s.io/v1:endpointslices",
        { metadata: { name: "named" }, addressType: "FQDN", endpoints: [] });
      await post("events.k8s.io/v1:events", { metadata: { name: "e" } });
    },
  },
  {
    name: "random: metrics of autoscalers",
    async run({ post }) {
      const scaleTargetRef = { kind: "Deployment", name: "d", apiVersion: "apps/v1" };
      const make = (spec: object) => post("autoscaling/v2:horizontalpodautoscalers?dryRun=All", {
        metadata: { name: "h" }, spec: { maxReplicas: 3, scaleTargetRef, ...spec },
      });
      for (const metric of METRICS) await make({ metrics: [metric] });
      for (const apiVersion of ["v1", "", "a/b/c", "/v1"]) {
        await make({ scaleTargetRef: { ...scaleTargetRef, apiVersion } });
      }
      await make({ behavior: { scaleUp: { tolerance: "-1" } } });
    },
  },
];
