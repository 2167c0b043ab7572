import type { Case } from "../recorder.ts";
import { configMap, deployment, labelled, pod, service } from "./bodies.ts";

export const CREATE: readonly Case[] = [
  {
    name: "create: names",
    async run({ post }) {
      await post("configmaps", configMap("a"));
      await post("configmaps", configMap("a"));
      await post("configmaps", { data: {} });
      await post("configmaps", {});
      await post("configmaps", { metadata: { generateName: "gen-" } });
      await post("configmaps", { metadata: { generateName: "Gen_" } });
      await post("configmaps", { metadata: { name: "both", generateName: "gen-" } });
      await post("configmaps", configMap("Bad_Name"));
      await post("configmaps", configMap("a/b"));
      await post("configmaps", configMap(".."));
      await post("configmaps", configMap("x".repeat(254)));
      await post("services", service("1starts-with-a-digit"));
      await post("services", service("with.dot"));
      await post("pods", pod("UPPER"));
    },
  },
  {
    name: "create: metadata",
    async run({ post, ns }) {
      const made = { labels: { "bad key!": "v" } };
      await post("configmaps", { metadata: { name: "b", ...made } });
      await post("configmaps", labelled("b", { ok: "bad value!" }));
      await post("configmaps", { metadata: { name: "b", annotations: { "x y": "z" } } });
      await post("configmaps", { metadata: { name: "b", finalizers: ["nodomain"] } });
      await post("configmaps", { metadata: { name: "b", finalizers: ["example.com/f", "a b"] } });
      await post("configmaps", { metadata: { name: "b", ownerReferences: [{ kind: "Pod" }] } });
      const owner = { apiVersion: "v1", kind: "Pod", name: "p", uid: "u", controller: true };
      const owners = [owner, { ...owner, uid: "v" }];
      await post("configmaps", { metadata: { name: "b", ownerReferences: owners } });
      await post("configmaps", { metadata: { name: "b", resourceVersion: "12" } });
      await post("configmaps", { metadata: { name: "b", namespace: "elsewhere" } });
      await post("configmaps", { metadata: { name: "b", namespace: ns } });
      const ignored = {
        uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a",
        creationTimestamp: "2001-01-01T00:00:00Z",
        deletionTimestamp: "2001-01-01T00:00:00Z",
        deletionGracePeriodSeconds: 3,
        selfLink: "/x",
        generation: 9,
      };
      await post("configmaps", { metadata: { name: "c", ...ignored } });
      await post("apps/v1:deployments", { ...deployment("c"), status: { replicas: 7 } });
      const managedFields = [
        {
          manager: "m",
          operation: "Update",
          apiVersion: "v1",
          fieldsType: "FieldsV1",
          fieldsV1: { "f:data": { "f:a": {} } },
        },
      ];
      await post("configmaps", configMap("d", { metadata: { name: "d", managedFields } }));
      const broken = [{ manager: "m", operation: "Nonsense", apiVersion: "v1" }];
      await post("configmaps", configMap("e", { metadata: { name: "e", managedFields: broken } }));
    },
  },
  {
    name: "create: places",
    async run({ post, ask }) {
      await post("/api/v1/namespaces/nowhere-at-all/configmaps", configMap("a"));
      await post("/api/v1/configmaps", configMap("a"));
      await post("/api/v1/pods", pod("a"));
      await post("configmaps/a", configMap("a"));
      await post("nodes", { metadata: { name: "n" } });
      await post("/apis/apps/v1/namespaces/nowhere-at-all/deployments", deployment("a"));
      await post("/api/v1/namespaces", { metadata: { name: "Not_A_Namespace" } });
      await post("/api/v1/namespaces", { metadata: { name: "default" } });
      await post("/api/v1/namespaces", { metadata: { generateName: "gen-" } });
      await post("/api/v1/nodes", {
        metadata: { name: "create-node" },
        spec: { podCIDR: "10.1.0.0/24" },
      });
      await ask("DELETE", "/api/v1/nodes/create-node");
    },
  },
  {
    name: "create: dry run, managers",
    async run({ post, get }) {
      await post("configmaps?dryRun=All", configMap("dry"));
      await get("configmaps/dry");
      await post("configmaps?dryRun=Some", configMap("dry"));
      await post("configmaps?dryRun=All&dryRun=Some", configMap("dry"));
      await post("configmaps?dryRun=", configMap("dry"));
      await post("services?dryRun=All", service("dry"));
      await post("configmaps?dryRun=All", { metadata: { generateName: "gen-" } });
      await post("configmaps?fieldManager=me", configMap("mine"));
      await post(`configmaps?fieldManager=${"m".repeat(129)}`, configMap("long"));
      await post("configmaps?fieldManager=a%00b", configMap("odd"));
      await post("configmaps?fieldValidation=Sometimes", configMap("odd"));
      await post("configmaps?pretty=true", configMap("pretty"));
      await post("configmaps?unknownParameter=1", configMap("unknown-parameter"));
      await post("configmaps?dryRun=All", configMap("mine"));
    },
  },
  {
    name: "create: services",
    async run({ post, get, put, patch, delete: remove }) {
      await post("services", service("plain"));
      await post("services", service("asked", { clusterIP: "10.96.200.7" }));
      await post("services", service("taken", { clusterIP: "10.96.200.7" }));
      await post("services", service("outside", { clusterIP: "192.168.1.1" }));
      await post("services", service("nonsense", { clusterIP: "nonsense" }));
      await post("services", service("headless", { clusterIP: "None" }));
      await post("services", service("port", { type: "NodePort" }));
      const fixed = { type: "NodePort", ports: [{ port: 80, nodePort: 31_999 }] };
      await post("services", service("fixed", fixed));
      await post("services", service("second", fixed));
      await post(
        "services",
        service("low", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] }),
      );
      await post("services", service("balanced", { type: "LoadBalancer" }));
      await post("services", { metadata: { name: "name" }, spec: { type: "ExternalName" } });
      const external = { type: "ExternalName", externalName: "example.com" };
      await post("services", { metadata: { name: "name" }, spec: external });
      await post("services", service("dual", { ipFamilyPolicy: "RequireDualStack" }));
      await post("services", service("prefer", { ipFamilyPolicy: "PreferDualStack" }));
      const plain = await get("services/plain");
      await put("services/plain", {
        ...plain,
        spec: { ...(plain["spec"] as object), clusterIP: "10.96.200.9" },
      });
      await patch("services/plain", "merge", { spec: { clusterIP: "" } });
      await patch("services/plain", "merge", { spec: { type: "NodePort" } });
      await patch("services/plain", "merge", { spec: { type: "ClusterIP" } });
      await patch("services/plain", "merge", { spec: external });
      await patch("services/plain/status", "merge", {
        status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
      });
      await remove("services/asked");
      await post("services", service("taken", { clusterIP: "10.96.200.7" }));
    },
  },
  {
    name: "create: kinds with rules of their own",
    async run({ post, put, patch, get }) {
      await post("secrets", {
        metadata: { name: "s" },
        stringData: { a: "hush" },
        data: { b: "Yg==" },
      });
      await post("secrets", { metadata: { name: "t" }, data: { b: "not base64!" } });
      await post("secrets", { metadata: { name: "t" }, type: "kubernetes.io/tls" });
      await post("secrets", {
        metadata: { name: "t" },
        type: "kubernetes.io/service-account-token",
      });
      await post("secrets", { metadata: { name: "i" }, immutable: true, data: { a: "YQ==" } });
      await patch("secrets/i", "merge", { data: { a: "Yg==" } });
      await patch("secrets/i", "merge", { immutable: false });
      await patch("secrets/s", "merge", { type: "Other" });
      await post("configmaps", configMap("i", { immutable: true }));
      await patch("configmaps/i", "merge", { data: { b: "2" } });
      await post("configmaps", configMap("k", { data: { "bad key!": "1" } }));
      await post("configmaps", configMap("k", { data: { a: "1" }, binaryData: { a: "YQ==" } }));
      await post("serviceaccounts", { metadata: { name: "robot" }, secrets: [{ name: "s" }] });
      await post("coordination.k8s.io/v1:leases", {
        metadata: { name: "l" },
        spec: { holderIdentity: "me", renewTime: "2001-02-03T04:05:06.789012Z" },
      });
      await put("coordination.k8s.io/v1:leases/made-by-put", { metadata: { name: "made-by-put" } });
      await put("configmaps/made-by-put", configMap("made-by-put"));
      await post("limitranges", {
        metadata: { name: "l" },
        spec: { limits: [{ type: "Container", default: { cpu: "1" } }] },
      });
      await get("limitranges/l");
      await post("pods", pod("limited"));
      await post("resourcequotas", { metadata: { name: "q" }, spec: { hard: { pods: "-1" } } });
      await post("/apis/scheduling.k8s.io/v1/priorityclasses", {
        metadata: { name: "create-high" },
        value: 10,
      });
      await patch("/apis/scheduling.k8s.io/v1/priorityclasses/create-high", "merge", { value: 11 });
      await post("/apis/scheduling.k8s.io/v1/priorityclasses", {
        metadata: { name: "system-x" },
        value: 10,
      });
      await post("/apis/scheduling.k8s.io/v1/priorityclasses", {
        metadata: { name: "x" },
        value: 2_000_000_000,
      });
      await post("pods", pod("prior", { priorityClassName: "create-high" }));
      await post("pods", pod("prior-2", { priorityClassName: "nobody-has-this" }));
      await post("pods", pod("accountless", { serviceAccountName: "nobody" }));
      await post("/apis/storage.k8s.io/v1/storageclasses", {
        metadata: { name: "create-fast" },
        provisioner: "example.com/x",
      });
      await patch("/apis/storage.k8s.io/v1/storageclasses/create-fast", "merge", {
        provisioner: "other",
      });
      const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
      await post("persistentvolumeclaims", { metadata: { name: "p" }, spec: claim });
      await patch("persistentvolumeclaims/p", "merge", {
        spec: { resources: { requests: { storage: "500Mi" } } },
      });
    },
  },
];
