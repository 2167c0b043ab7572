import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import {
  cpuQuota_us,
  cpuShares,
  oomScoreAdjOf,
  podRequirements,
  podResources,
  qosClassOf,
} from "./qos.ts";
import { containerLinuxResources, sandboxResources } from "./resources.ts";

type Resources = { limits?: Record<string, string>; requests?: Record<string, string> };

function podOf(containers: Resources[], initContainers: (Resources & { sidecar?: true })[] = []) {
  const one = (resources: Resources, index: number): Container => ({
    name: `c${index}`,
    resources,
  });
  return {
    spec: {
      containers: containers.map(one),
      initContainers: initContainers.map(({ sidecar, ...resources }, index) => ({
        ...one(resources, index),
        ...(sidecar ? { restartPolicy: "Always" } : {}),
      })),
    },
  } as Pod;
}

function ofPod(resources: Resources, containers: Resources[]): Pod {
  const { spec, ...rest } = podOf(containers);
  return { ...rest, spec: { ...spec, resources } };
}

const NODE = { memory_bytes: 2 ** 34, oomGroups: false };

describe("quality of service", () => {
  const full = { cpu: "1", memory: "1Gi" };
  test.each<[string, Resources[], string]>([
    ["nothing asked", [{}], "BestEffort"],
    ["limits alone are requests too", [{ limits: full }], "Guaranteed"],
    [
      "equal in other spelling",
      [{ limits: full, requests: { cpu: "1000m", memory: "1024Mi" } }],
      "Guaranteed",
    ],
    [
      "a request below the limit",
      [{ limits: full, requests: { cpu: "1", memory: "1Mi" } }],
      "Burstable",
    ],
    ["one container without", [{ limits: full }, {}], "Burstable"],
    ["cpu alone", [{ limits: { cpu: "1" } }], "Burstable"],
    ["zero is nothing", [{ requests: { cpu: "0" } }], "BestEffort"],
    ["other resources do not count", [{ limits: { "example.com/gpu": "1" } }], "BestEffort"],
  ])("%s", (_, resources, expected) => expect(qosClassOf(podOf(resources))).toBe(expected));

  test("oom score follows class and share of memory", () => {
    const container = { name: "c", resources: { requests: { memory: "1Gi" } } } as Container;
    const burstable = podOf([{ requests: { memory: "1Gi" } }]);
    expect(oomScoreAdjOf(burstable, container, 4 * 2 ** 30)).toBe(750);
    // As upstream, a part of the share that is no thousandth does not count.
    expect(oomScoreAdjOf(burstable, container, 600 * 2 ** 30)).toBe(999);
    expect(oomScoreAdjOf(podOf([{ limits: full }]), container, 4 * 2 ** 30)).toBe(-997);
    expect(oomScoreAdjOf(podOf([{}]), container, 4 * 2 ** 30)).toBe(1000);
  });

  test("what the pod requests beyond its containers counts for each of them", () => {
    const pod = ofPod({ requests: { memory: "3Gi" } }, [{ requests: { memory: "1Gi" } }, {}]);
    const scores = pod.spec.containers.map((one) => oomScoreAdjOf(pod, one, 8 * 2 ** 30));
    expect(scores).toEqual([750, 875]);
  });

  test("a sidecar is not killed before the regular containers", () => {
    const pod = podOf([{ requests: { memory: "1Gi" } }], [{ sidecar: true }, {}]);
    const scores = pod.spec.initContainers!.map((one) => oomScoreAdjOf(pod, one, 4 * 2 ** 30));
    expect(scores).toEqual([750, 999]);
  });
});

describe("a pod's resources", () => {
  test("the largest init step or the sum of the others, sidecars counted in both", () => {
    const pod = podOf(
      [{ requests: { cpu: "100m" } }, { requests: { cpu: "200m" } }],
      [{ sidecar: true, requests: { cpu: "50m" } }, { requests: { cpu: "400m" } }],
    );
    expect(podResources(pod).cpuRequest_milli).toBe(450);
  });

  test("its containers are summed once for all that ask", () => {
    const pod = podOf([{ requests: { cpu: "100m" } }, { requests: { cpu: "200m" } }]);
    expect(podRequirements({ ...pod })).toBe(podRequirements(pod));
    const resized = { ...pod, spec: { ...pod.spec, overhead: { cpu: "1m" } } };
    expect(podRequirements(resized).requests).toEqual({ cpu: "301m" });
  });

  test("no limit when one container has none", () => {
    const pod = podOf([{ limits: { memory: "1Gi" } }, {}]);
    expect(podResources(pod).memoryLimit_bytes).toBeUndefined();
  });

  test("its own replace those of its containers", () => {
    const limits = { cpu: "1", memory: "1Gi" };
    const pod = ofPod({ requests: { cpu: "500m" }, limits }, [
      { requests: { cpu: "100m", memory: "8Mi" } },
      { limits: { cpu: "200m" } },
    ]);
    expect(podResources({ ...pod, spec: { ...pod.spec, overhead: { memory: "1Mi" } } })).toEqual({
      cpuRequest_milli: 500,
      cpuLimit_milli: 1000,
      memoryRequest_bytes: 9 * 2 ** 20,
      memoryLimit_bytes: 1025 * 2 ** 20,
    });
  });

  test("the runtime has its overhead apart", () => {
    const pod = podOf([{ limits: { cpu: "200m", memory: "8Mi" } }]);
    const spec = { ...pod.spec, overhead: { cpu: "100m", memory: "1Mi" } };
    expect(sandboxResources({ ...pod, spec })).toMatchObject({
      resources: { cpuQuota: 20_000, memoryLimitInBytes: 8 * 2 ** 20 },
      overhead: { cpuQuota: 10_000, cpuShares: 102, memoryLimitInBytes: 2 ** 20 },
    });
    expect(sandboxResources(pod)).not.toHaveProperty("overhead");
  });

  test("its own limits are those of containers without", () => {
    const pod = ofPod({ limits: { cpu: "1", memory: "1Gi" } }, [
      { requests: { cpu: "100m" }, limits: { memory: "8Mi" } },
    ]);
    expect(containerLinuxResources(pod, pod.spec.containers[0]!, NODE)).toMatchObject({
      cpuShares: 102,
      cpuQuota: 100_000,
      memoryLimitInBytes: 8 * 2 ** 20,
    });
  });

  test("limits beyond what the kernel takes are its largest", () => {
    const pod = podOf([{ limits: { cpu: "1e18", memory: "1e30" }, requests: { cpu: "1m" } }]);
    expect(containerLinuxResources(pod, pod.spec.containers[0]!, NODE)).toMatchObject({
      cpuQuota: 17_592_186_044_415,
      memoryLimitInBytes: Number.MAX_SAFE_INTEGER,
    });
  });

  test("its processes end together for lack of memory where the node can do that", () => {
    const pod = podOf([{}]);
    const of = (oomGroups: boolean) =>
      containerLinuxResources(pod, pod.spec.containers[0]!, { ...NODE, oomGroups }).unified;
    expect([true, false].map(of)).toEqual([{ "memory.oom.group": "1" }, undefined]);
  });

  test("shares and quota", () => {
    expect(cpuShares(undefined)).toBe(2);
    expect(cpuShares(500)).toBe(512);
    expect(cpuQuota_us(undefined)).toBe(-1);
    expect(cpuQuota_us(250)).toBe(25_000);
    expect(cpuQuota_us(1)).toBe(1_000);
  });
});
