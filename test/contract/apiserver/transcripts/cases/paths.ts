import type { Case, Recorder } from "../recorder.ts";
import { configMap } from "./bodies.ts";

const aggregated = (version: string) =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

/** Groups whose resources are all served by both. */
const GROUPS = [
  "apps",
  "batch",
  "autoscaling",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "discovery.k8s.io",
  "events.k8s.io",
  "certificates.k8s.io",
  "admissionregistration.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "node.k8s.io",
  "flowcontrol.apiserver.k8s.io",
  "resource.k8s.io",
  "apiextensions.k8s.io",
  "apiregistration.k8s.io",
];

async function recordEvents({ post, get, patch, ns }: Recorder): Promise<void> {
  await post("events", {
    metadata: { name: "e1" },
    involvedObject: { kind: "Pod", namespace: ns, name: "p" },
    reason: "R",
    message: "m",
    type: "Normal",
    firstTimestamp: "2001-01-01T00:00:00Z",
    lastTimestamp: "2001-01-01T00:00:00Z",
    count: 1,
  });
  await get("events.k8s.io/v1:events/e1");
  await post("events", {
    metadata: { name: "e2" },
    involvedObject: { kind: "Pod", namespace: "other", name: "p" },
  });
  await post("events.k8s.io/v1:events", {
    metadata: { name: "e3" },
    eventTime: "2001-01-01T00:00:00.000001Z",
    reportingController: "example.com/c",
    reportingInstance: "i",
    action: "A",
    reason: "R",
    type: "Normal",
    regarding: { kind: "Pod", namespace: ns, name: "p" },
  });
  await post("events.k8s.io/v1:events", { metadata: { name: "e4" }, reason: "R" });
  await get("events/e3");
  await get("events");
  const hpa = {
    scaleTargetRef: { kind: "Deployment", name: "d", apiVersion: "apps/v1" },
    maxReplicas: 3,
  };
  await post("autoscaling/v1:horizontalpodautoscalers", {
    metadata: { name: "h" },
    spec: { ...hpa, targetCPUUtilizationPercentage: 70 },
  });
  await get("autoscaling/v2:horizontalpodautoscalers/h");
  await patch("autoscaling/v2:horizontalpodautoscalers/h", "merge", {
    spec: { maxReplicas: 5 },
  });
  await get("autoscaling/v1:horizontalpodautoscalers/h");
  await post("endpoints", {
    metadata: { name: "ep" },
    subsets: [{ addresses: [{ ip: "192.0.2.5" }], ports: [{ port: 80 }] }],
  });
}

async function recordWorkloads({ post }: Recorder): Promise<void> {
  await post("discovery.k8s.io/v1:endpointslices", {
    metadata: { name: "es" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["192.0.2.5"] }],
    ports: [{ port: 80 }],
  });
  await post("networking.k8s.io/v1:ingresses", {
    metadata: { name: "i" },
    spec: {
      rules: [
        {
          host: "a.example.com",
          http: {
            paths: [
              {
                path: "/",
                pathType: "Prefix",
                backend: { service: { name: "s", port: { number: 80 } } },
              },
            ],
          },
        },
      ],
    },
  });
  await post("networking.k8s.io/v1:networkpolicies", {
    metadata: { name: "n" },
    spec: { podSelector: {}, ingress: [{}] },
  });
  await post("batch/v1:jobs", {
    metadata: { name: "j" },
    spec: {
      template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } },
    },
  });
  await post("batch/v1:cronjobs", {
    metadata: { name: "cj" },
    spec: {
      schedule: "*/5 * * * *",
      jobTemplate: {
        spec: {
          template: {
            spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] },
          },
        },
      },
    },
  });
}

async function recordTemplates({ post, delete: remove }: Recorder): Promise<void> {
  await post("batch/v1:cronjobs", {
    metadata: { name: "ck" },
    spec: {
      schedule: "never",
      jobTemplate: {
        spec: {
          template: {
            spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] },
          },
        },
      },
    },
  });
  await remove("batch/v1:jobs/j");
  await post("apps/v1:daemonsets", {
    metadata: { name: "ds" },
    spec: {
      selector: { matchLabels: { a: "b" } },
      template: {
        metadata: { labels: { a: "b" } },
        spec: { containers: [{ name: "c", image: "i" }] },
      },
    },
  });
  await post("apps/v1:statefulsets", {
    metadata: { name: "ss" },
    spec: {
      serviceName: "s",
      selector: { matchLabels: { a: "b" } },
      template: {
        metadata: { labels: { a: "b" } },
        spec: { containers: [{ name: "c", image: "i" }] },
      },
    },
  });
}

async function recordClusterKinds({ post, patch, ns }: Recorder): Promise<void> {
  await post("apps/v1:controllerrevisions", {
    metadata: { name: "cr" },
    revision: 1,
    data: { spec: { x: 1 } },
  });
  await patch("apps/v1:controllerrevisions/cr", "merge", { data: { y: 2 } });
  await post("podtemplates", {
    metadata: { name: "pt" },
    template: {
      metadata: { labels: { a: "b" } },
      spec: { containers: [{ name: "c", image: "i" }] },
    },
  });
  await post("/apis/node.k8s.io/v1/runtimeclasses", {
    metadata: { name: "paths-rc" },
    handler: "h",
  });
  await post("/apis/networking.k8s.io/v1/ingressclasses", {
    metadata: { name: "paths-ic" },
    spec: { controller: "example.com/c" },
  });
  await post("/apis/storage.k8s.io/v1/csidrivers", {
    metadata: { name: "paths.example.com" },
    spec: {},
  });
  await post("/apis/networking.k8s.io/v1/ipaddresses", {
    metadata: { name: "192.0.2.77" },
    spec: { parentRef: { resource: "services", namespace: ns, name: "x" } },
  });
  await post("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", {
    metadata: { name: "paths-fs" },
    spec: { priorityLevelConfiguration: { name: "exempt" }, matchingPrecedence: 500 },
  });
  await post("/apis/resource.k8s.io/v1/deviceclasses", {
    metadata: { name: "paths.example.com" },
    spec: {},
  });
}

export const PATHS: readonly Case[] = [
  {
    name: "paths: discovery",
    async run({ get }) {
      await get("/api");
      await get("/api/");
      await get("/api/v1");
      await get("/apis");
      for (const group of GROUPS) {
        await get(`/apis/${group}`);
        await get(`/apis/${group}/v1`);
      }
      await get("/apis/autoscaling/v2");
      await get("/apis/nosuch.example.com");
      await get("/apis/apps/v9");
      await get("/apis/nosuch.example.com/v1");
      await get("/api/v2");
      await get("/api", { accept: aggregated("v2") });
      await get("/apis", { accept: aggregated("v2") });
      await get("/api", { accept: aggregated("v2beta1") });
      await get("/api", { accept: aggregated("v9") });
      await get("/api", { accept: `${aggregated("v9")},application/json` });
      await get("/apis", { accept: "text/html" });
      await get("/api/v1", { accept: "application/yaml" });
      await get("/apis/apps/v1", { accept: "application/vnd.kubernetes.protobuf" });
      await get("/api", { accept: "application/vnd.kubernetes.protobuf" });
    },
  },
  {
    name: "paths: others",
    async run({ get, ask }) {
      for (const path of [
        "/healthz",
        "/livez",
        "/readyz",
        "/healthz/ping",
        "/livez/etcd",
        "/readyz/nosuch",
        "/nosuch",
        "/api/nosuch",
        "/openapi/v2/nosuch",
        "/openapi/v3/nosuch",
        "/.well-known/openid-configuration",
        "/apis/apps/",
        "/api/v1/",
        "/version/",
        "/openid/v1/jwks/",
      ]) {
        await get(path);
      }
      await get("/healthz?exclude=nosuch");
      await get("/healthz/ping?verbose");
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"]) {
        await ask(method, "/version");
        await ask(method, "/api");
        await ask(method, "/healthz");
      }
      await get("/version", { accept: "application/yaml" });
      await get("/version?pretty=true");
    },
  },
  {
    name: "paths: refusals",
    async run({ get, ask, post }) {
      await post("configmaps", configMap("a"));
      await get("nosuch");
      await get("nosuch/a");
      await get("apps/v1:nosuch");
      await get("/apis/apps/v1/pods");
      await get("/apis/nosuch.example.com/v1/things");
      await get("/api/v1/namespaces/x/nodes/n");
      await get("/api/v1/configmaps/a");
      await get("configmaps/Bad_Name");
      await get("configmaps/a%2Fb");
      await get("configmaps/..");
      await get("configmaps/a/b/c");
      await get("configmaps/%zz");
      await get("/api/v1//namespaces");
      await get("/api/v1/namespaces//configmaps?labelSelector=nowhere");
      await get("/api/v1/namespaces/UPPER/configmaps");
      await get("configmaps/");
      await get("configmaps/a/");
      await get(`configmaps/${"x".repeat(300)}`);
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "NONSENSE"]) {
        for (const path of [
          "configmaps",
          "configmaps/a",
          "/api/v1/namespaces",
          "pods/p/log",
          "pods/p/status",
        ]) {
          // Other cases cover these requests if they are accepted.
          const taken = `${method} ${path}`;
          if (
            [
              "DELETE configmaps",
              "DELETE configmaps/a",
              "POST configmaps",
              "PUT configmaps/a",
              "POST /api/v1/namespaces",
            ].includes(taken)
          )
            continue;
          await ask(
            method,
            path,
            method === "HEAD" || method === "DELETE" || method === "OPTIONS" ? {} : { body: {} },
          );
        }
      }
      await post("configmaps", configMap("huge", { data: { a: "x".repeat(3_200_000) } }));
      await post("configmaps", configMap("large", { data: { a: "x".repeat(1_100_000) } }));
      const header = { headers: { "content-length": "5" }, body: "{}" };
      await get(`configmaps?labelSelector=${"a".repeat(2000)}`);
      await ask("POST", "configmaps", { ...header, headers: {}, type: "application/json;charset" });
      await post("componentstatuses", {});
      await get("/api/v1/componentstatuses/nosuch");
    },
  },
  {
    name: "paths: other kinds",
    async run(recorder) {
      await recordEvents(recorder);
      await recordWorkloads(recorder);
      await recordTemplates(recorder);
      await recordClusterKinds(recorder);
    },
  },
];
