import type { Case } from "../recorder.ts";
import { configMap, deployment, pod, replicaSet } from "./bodies.ts";

export const SUBRESOURCES: readonly Case[] = [
  {
    name: "subresources: scale",
    async run({ post, get, put, patch, ask }) {
      await post("apps/v1:deployments", deployment("d"));
      await post("apps/v1:replicasets", replicaSet("r"));
      await post("apps/v1:statefulsets", deployment("s", { serviceName: "s" }));
      await post("replicationcontrollers", {
        metadata: { name: "rc" },
        spec: { replicas: 1, selector: { app: "w" }, template: deployment("x").spec.template },
      });
      const paths = [
        "apps/v1:deployments/d",
        "apps/v1:replicasets/r",
        "apps/v1:statefulsets/s",
        "replicationcontrollers/rc",
      ];
      for (const path of paths) await get(`${path}/scale`);
      const at = "apps/v1:deployments/d/scale";
      const scale = await get(at);
      await put(at, { ...scale, spec: { replicas: 4 } });
      await put(at, { ...scale, spec: { replicas: 5 } });
      await put(at, { metadata: { name: "d" }, spec: { replicas: 6 } });
      await put(at, { metadata: { name: "d" }, spec: { replicas: -1 } });
      await put(at, { metadata: { name: "e" }, spec: { replicas: 1 } });
      await put(at, { kind: "Deployment", apiVersion: "apps/v1", metadata: { name: "d" } });
      await put("apps/v1:deployments/missing/scale", {
        metadata: { name: "missing" },
        spec: { replicas: 1 },
      });
      await get("apps/v1:deployments/missing/scale");
      await patch(at, "merge", { spec: { replicas: 7 } });
      await patch(at, "merge", { spec: { replicas: "many" } });
      await patch(at, "json", [{ op: "replace", path: "/spec/replicas", value: 8 }]);
      await patch(at, "strategic", { spec: { replicas: 9 } });
      await patch(`${at}?dryRun=All`, "merge", { spec: { replicas: 10 } });
      await patch("replicationcontrollers/rc/scale", "merge", { spec: { replicas: 3 } });
      await get("apps/v1:deployments/d");
      await ask("DELETE", at);
      await ask("POST", at, { body: scale });
      await get("configmaps/a/scale");
      await get(at, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
      await get(at, { accept: "application/vnd.kubernetes.protobuf" });
    },
  },
  {
    name: "subresources: binding",
    async run({ post, get, ask }) {
      for (const name of ["a", "b", "c", "gated"]) {
        await post(
          "pods",
          pod(name, name === "gated" ? { schedulingGates: [{ name: "example.com/gate" }] } : {}),
        );
      }
      const target = { kind: "Node", name: "n1" };
      const bind = (name: string, more: object) =>
        post(`pods/${name}/binding`, {
          apiVersion: "v1",
          kind: "Binding",
          metadata: { name },
          ...more,
        });
      await bind("a", {
        target,
        metadata: { name: "a", annotations: { by: "test" }, labels: { bound: "yes" } },
      });
      await bind("a", { target });
      await bind("b", {});
      await bind("b", { target: { kind: "Node" } });
      await bind("b", { target: { kind: "Pod", name: "x" } });
      await bind("b", { target, metadata: { name: "other" } });
      await bind("b", {
        target,
        metadata: { name: "b", uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" },
      });
      await bind("gated", { target });
      await bind("missing", { target });
      await post("pods/b/binding?dryRun=All", { metadata: { name: "b" }, target });
      await post("bindings", { metadata: { name: "c" }, target });
      await post("bindings", { metadata: { name: "c" }, target });
      await get("pods/a");
      await get("pods/a/binding");
      await ask("GET", "bindings");
    },
  },
  {
    name: "subresources: eviction",
    async run({ post, get, patch, ask }) {
      for (const name of ["a", "b", "c"]) await post("pods", pod(name, { nodeName: "n" }));
      const evict = (name: string, more: object = {}, query = "") =>
        post(`pods/${name}/eviction${query}`, {
          apiVersion: "policy/v1",
          kind: "Eviction",
          metadata: { name },
          ...more,
        });
      await evict("a", {}, "?dryRun=All");
      await evict("a");
      await get("pods/a");
      await evict("missing");
      await evict("b", { metadata: { name: "other" } });
      await evict("b", {
        deleteOptions: { preconditions: { uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" } },
      });
      await post("policy/v1:poddisruptionbudgets", {
        metadata: { name: "keep" },
        spec: { minAvailable: 1, selector: { matchLabels: { app: "b" } } },
      });
      await patch("pods/b/status", "merge", {
        status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
      });
      await evict("b");
      await patch("policy/v1:poddisruptionbudgets/keep/status", "merge", {
        status: {
          observedGeneration: 1,
          disruptionsAllowed: 0,
          currentHealthy: 1,
          desiredHealthy: 1,
          expectedPods: 1,
        },
      });
      await evict("b");
      await post("policy/v1:poddisruptionbudgets", {
        metadata: { name: "keep-2" },
        spec: { minAvailable: 1, selector: { matchLabels: { app: "b" } } },
      });
      await evict("b");
      await ask("DELETE", "policy/v1:poddisruptionbudgets/keep-2");
      await patch("policy/v1:poddisruptionbudgets/keep/status", "merge", {
        status: {
          observedGeneration: 1,
          disruptionsAllowed: 1,
          currentHealthy: 1,
          desiredHealthy: 0,
          expectedPods: 1,
        },
      });
      await evict("b");
      await get("policy/v1:poddisruptionbudgets/keep");
      await post("pods/c/eviction", {
        apiVersion: "policy/v1beta1",
        kind: "Eviction",
        metadata: { name: "c" },
      });
      await post("pods/c/eviction", {});
      await get("pods/c/eviction");
    },
  },
  {
    name: "subresources: ephemeral containers, resize",
    async run({ post, get, put, patch }) {
      const limits = {
        requests: { cpu: "1", memory: "64Mi" },
        limits: { cpu: "1", memory: "64Mi" },
      };
      await post("pods", {
        metadata: { name: "p" },
        spec: { containers: [{ name: "c", image: "i", resources: limits }] },
      });
      await get("pods/p/ephemeralcontainers");
      await patch("pods/p/ephemeralcontainers", "strategic", {
        spec: { ephemeralContainers: [{ name: "debug", image: "busybox" }] },
      });
      await patch("pods/p/ephemeralcontainers", "strategic", {
        spec: { ephemeralContainers: [{ name: "debug", image: "other" }] },
      });
      await patch("pods/p/ephemeralcontainers", "strategic", {
        spec: { ephemeralContainers: [{ name: "c", image: "i" }] },
      });
      await patch("pods/p/ephemeralcontainers", "merge", { spec: { ephemeralContainers: [] } });
      await patch("pods/p/ephemeralcontainers", "strategic", {
        spec: { containers: [{ name: "c", image: "changed" }] },
      });
      const now = await get("pods/p");
      await put("pods/p/ephemeralcontainers", now);
      await get("pods/p/resize");
      const resize = (resources: object) =>
        patch("pods/p/resize", "strategic", { spec: { containers: [{ name: "c", resources }] } });
      await resize({ requests: { cpu: "2" }, limits: { cpu: "2" } });
      await resize({ requests: { cpu: "1" } });
      await resize({ requests: { cpu: "3", memory: "1Gi" } });
      await patch("pods/p/resize", "strategic", {
        spec: { containers: [{ name: "c", image: "changed" }] },
      });
      await patch("pods/p", "strategic", {
        spec: { containers: [{ name: "c", resources: limits }] },
      });
      await patch("pods/missing/resize", "strategic", { spec: {} });
      await get("pods/p");
    },
  },
  {
    name: "subresources: token",
    async run({ post, get, ns }) {
      await post("serviceaccounts", { metadata: { name: "robot" } });
      const token = (spec: object, name = "robot") =>
        post(`serviceaccounts/${name}/token`, {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec,
        });
      await token({});
      await token({ audiences: ["a", "b"], expirationSeconds: 600 });
      await token({ expirationSeconds: 10 });
      await token({ expirationSeconds: 2 ** 33 });
      await token({ expirationSeconds: 3607 });
      await token({}, "missing");
      await post("pods", pod("p", { serviceAccountName: "robot" }));
      const bound = { kind: "Pod", apiVersion: "v1", name: "p" };
      await token({ boundObjectRef: bound });
      await token({ boundObjectRef: { ...bound, name: "missing" } });
      await token({ boundObjectRef: { ...bound, uid: "7e9d2bd0-4d38-4c1f-a1f7-0a5a5a5a5a5a" } });
      await token({ boundObjectRef: { ...bound, kind: "Deployment" } });
      await token({ boundObjectRef: { ...bound, apiVersion: "apps/v1" } });
      await token({ boundObjectRef: { ...bound, apiVersion: "v2" } });
      await post("pods", pod("q"));
      await token({ boundObjectRef: { ...bound, name: "q" } });
      await post("serviceaccounts/robot/token", { metadata: { name: "other" }, spec: {} });
      await post("serviceaccounts/robot/token", { metadata: { namespace: "other" }, spec: {} });
      await post("serviceaccounts/robot/token", {});
      await post("serviceaccounts/robot/token?dryRun=All", {});
      await get("serviceaccounts/robot/token");
      const { status } = (await token({})) as unknown as { status: { token: string } };
      const headers = { authorization: `Bearer ${status.token}` };
      await get("configmaps", { anonymous: true, headers });
      await post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {},
        { anonymous: true, headers },
      );
      await post("/apis/authentication.k8s.io/v1/tokenreviews", { spec: { token: status.token } });
      await post("/apis/authentication.k8s.io/v1/tokenreviews", {
        spec: { token: status.token, audiences: ["other"] },
      });
      await get(`/api/v1/namespaces/${ns}/serviceaccounts/robot`);
    },
  },
  {
    name: "subresources: connections without a kubelet",
    async run({ post, get, ask }) {
      await post("pods", pod("p"));
      await post("pods", {
        metadata: { name: "two" },
        spec: {
          containers: [
            { name: "a", image: "i" },
            { name: "b", image: "i" },
          ],
        },
      });
      await get("pods/p/log");
      await get("pods/p/log?container=nope");
      await get("pods/two/log");
      await get("pods/missing/log");
      await get("pods/p/log?tailLines=-1");
      await get("pods/p/log?sinceSeconds=0");
      await get("pods/p/log?limitBytes=0");
      await get("pods/p/log?sinceSeconds=1&sinceTime=2001-01-01T00:00:00Z");
      await ask("DELETE", "pods/p/log");
      await get("pods/p/exec?command=ls");
      await get("pods/p/exec");
      await ask("POST", "pods/p/exec?command=ls&container=nope");
      await ask("POST", "pods/p/attach");
      await ask("POST", "pods/p/portforward");
      await get("pods/p/proxy/");
      await get("pods/missing/proxy/");
      await get("services/missing/proxy/");
      await get("/api/v1/nodes/missing/proxy/");
      await get("pods/p/nonsense");
      await get("configmaps/p/log");
    },
  },
  {
    name: "subresources: certificates, volumes",
    async run({ post, get, put, patch, delete: remove }) {
      const at = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
      await post(at, {
        metadata: { name: "sub-csr" },
        spec: { request: "bm9uc2Vuc2U=", signerName: "example.com/s", usages: ["client auth"] },
      });
      await get(`${at}/sub-csr/approval`);
      await put(`${at}/sub-csr/approval`, { metadata: { name: "sub-csr" } });
      await post("/api/v1/persistentvolumes", {
        metadata: { name: "sub-pv" },
        spec: {
          capacity: { storage: "1Gi" },
          accessModes: ["ReadWriteOnce"],
          hostPath: { path: "/x" },
        },
      });
      await patch("/api/v1/persistentvolumes/sub-pv/status", "merge", {
        status: { phase: "Available" },
      });
      await patch("/api/v1/persistentvolumes/sub-pv", "merge", {
        spec: { hostPath: { path: "/y" } },
      });
      await remove("/api/v1/persistentvolumes/sub-pv");
      await patch("/api/v1/persistentvolumes/sub-pv", "merge", { metadata: { finalizers: null } });
      await post("configmaps", configMap("a"));
      await get("configmaps/a/status");
      await patch("configmaps/a/status", "merge", {});
    },
  },
];
