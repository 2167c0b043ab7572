import { expect, test } from "vitest";
import type { PersistentVolumeClaim, Pod, PodStatus } from "../../../gen/core/v1.ts";
import { usageOf } from "./usage.ts";

const PODS = { group: "", plural: "pods" };

type Amount = { cpu: string };

type Shape = { wants: Amount; has?: Amount; allocated?: Amount; condition?: string };

function pod({ wants, has, allocated, condition }: Shape): Pod {
  const status: PodStatus = {
    phase: "Running",
    ...(has && {
      containerStatuses: [
        {
          ...{ name: "c", ready: true, restartCount: 0, image: "", imageID: "" },
          resources: { requests: { ...has }, limits: { ...has } },
          ...(allocated && { allocatedResources: { ...allocated } }),
        },
      ],
    }),
    ...(condition && {
      conditions: [{ type: "PodResizePending", status: "True" as const, reason: condition }],
    }),
  };
  const resources = { requests: { ...wants }, limits: { ...wants } };
  return { metadata: { name: "p" }, spec: { containers: [{ name: "c", resources }] }, status };
}

// Facts of upstream's TestPodRequestsAndLimits with UseStatusResources.
test.each<[string, Shape, string, string]>([
  ["no status", { wants: { cpu: "2" } }, "2", "2"],
  ["a larger wish", { wants: { cpu: "2" }, has: { cpu: "1" } }, "2", "2"],
  ["a smaller wish", { wants: { cpu: "1" }, has: { cpu: "2" } }, "2", "2"],
  [
    "a larger allocation",
    { wants: { cpu: "1" }, has: { cpu: "1" }, allocated: { cpu: "3" } },
    "3",
    "1",
  ],
  [
    "a wish that waits",
    { wants: { cpu: "4" }, has: { cpu: "1" }, condition: "Deferred" },
    "4",
    "4",
  ],
  [
    "a wish that cannot be",
    { wants: { cpu: "4" }, has: { cpu: "1" }, allocated: { cpu: "2" }, condition: "Infeasible" },
    "2",
    "1",
  ],
])("of a pod with %s the quota counts %j", (_name, shape, requests, limits) => {
  const usage = usageOf(PODS, pod(shape), 0);
  expect([usage["requests.cpu"], usage["cpu"], usage["limits.cpu"]]).toEqual([
    requests,
    requests,
    limits,
  ]);
});

test("of init containers sidecars alone are resized", () => {
  const init = (name: string, restartPolicy?: "Always") => ({
    name,
    ...(restartPolicy && { restartPolicy }),
    resources: { requests: { cpu: "1" } },
  });
  const has = (name: string) => ({
    ...{ name, ready: true, restartCount: 0, image: "", imageID: "" },
    resources: { requests: { cpu: "5" } },
  });
  const resized: Pod = {
    metadata: { name: "p" },
    spec: { containers: [], initContainers: [init("once"), init("beside", "Always")] },
    status: { initContainerStatuses: [has("once"), has("beside")] },
  };
  const usage = usageOf(PODS, resized, 0);
  expect(usage["requests.cpu"]).toBe("5");
});

test("an init container costs its own names, not those of the sidecars before it", () => {
  const names = Array.from({ length: 20 }, (_, i) => `example.com/n${i}`);
  let read = 0;
  // A quantity that counts how often it is read.
  const amount = { length: 1, toString: () => (read++, "1") } as unknown as string;
  const requests = Object.fromEntries(names.map((name) => [name, amount]));
  const sidecar = { name: "s", restartPolicy: "Always" as const, resources: { requests } };
  const steps = Array.from({ length: 50 }, (_, i) => ({
    name: `i${i}`,
    resources: { requests: { cpu: i === 30 ? "2" : "1", "example.com/n7": "3" } },
  }));
  const spec = { containers: [{ name: "c" }], initContainers: [sidecar, ...steps, sidecar] };
  const usage = usageOf(PODS, { metadata: { name: "p" }, spec } as Pod, 0);
  expect(usage).toMatchObject({
    "requests.cpu": "2",
    "requests.example.com/n6": "2",
    "requests.example.com/n7": "4",
  });
  expect(read).toBeLessThan(10 * names.length);
});

test("ports that a load balancer's Service names are counted though none are allocated", () => {
  const ports = [{ port: 80, nodePort: 30080 }, { port: 81 }];
  const nodePorts = (spec: object) =>
    usageOf({ group: "", plural: "services" }, { metadata: {}, spec } as Pod, 0)[
      "services.nodeports"
    ];
  const without = { allocateLoadBalancerNodePorts: false };
  expect(nodePorts({ type: "LoadBalancer", ports, ...without })).toBe("1");
  expect(nodePorts({ type: "LoadBalancer", ports })).toBe("2");
  expect(nodePorts({ type: "NodePort", ports })).toBe("2");
  expect(nodePorts({ type: "ClusterIP", ports })).toBe("0");
});

test.each([
  ["what was allocated", "2Gi", "100Gi", "100Gi"],
  ["what it asks for", "2Gi", "1Gi", "2Gi"],
  ["whole bytes", "1500m", undefined, "2"],
])("of a claim the larger amount counts, %s", (_name, storage, allocated, counted) => {
  const claim: PersistentVolumeClaim = {
    metadata: { name: "c" },
    spec: { storageClassName: "fast", resources: { requests: { storage } } },
    ...(allocated && { status: { allocatedResources: { storage: allocated } } }),
  };
  expect(usageOf({ group: "", plural: "persistentvolumeclaims" }, claim, 0)).toMatchObject({
    "requests.storage": counted,
    "fast.storageclass.storage.k8s.io/requests.storage": counted,
  });
});

test("a pod in deletion counts until its grace period is over, and then as an object alone", () => {
  const deletionTimestamp = "2026-01-02T03:04:05Z";
  const leaving: Pod = {
    ...pod({ wants: { cpu: "1" } }),
    metadata: { name: "p", deletionTimestamp, deletionGracePeriodSeconds: 30 },
  };
  const over_ms = Date.parse(deletionTimestamp) + 30_000;
  expect(usageOf(PODS, leaving, over_ms)).toMatchObject({ pods: "1", "requests.cpu": "1" });
  expect(usageOf(PODS, leaving, over_ms + 1)).toEqual({ "count/pods": "1" });
});

test("a pod that a node made for itself counts for nothing, others with its annotation do", () => {
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const made = (owner: object): Pod => {
    const { spec } = pod({ wants: { cpu: "1" } });
    const ownerReferences = [{ apiVersion: "v1", kind: "Node", name: "n1", uid: "u", ...owner }];
    return { metadata: { annotations, ownerReferences }, spec: { ...spec, nodeName: "n1" } };
  };
  expect(usageOf(PODS, made({ controller: true }), 0)).toEqual({});
  for (const owner of [{}, { controller: true, name: "n2" }]) {
    expect(usageOf(PODS, made(owner), 0)).toMatchObject({ pods: "1", "requests.cpu": "1" });
  }
});
