import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { cpuQuota_us, cpuShares, oomScoreAdjOf, podResources, qosClassOf } from "./qos.ts";

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

describe("quality of service", () => {
  const full = { cpu: "1", memory: "1Gi" };
  test.each<[string, Resources[], string]>([
    ["nothing asked", [{}], "BestEffort"],
    ["limits alone are requests too", [{ limits: full }], "Guaranteed"],
    ["equal in other spelling", [{ limits: full, requests: { cpu: "1000m", memory: "1024Mi" } }],
      "Guaranteed"],
    ["a request below the limit", [{ limits: full, requests: { cpu: "1", memory: "1Mi" } }],
      "Burstable"],
    ["one container without", [{ limits: full }, {}], "Burstable"],
    ["cpu alone", [{ limits: { cpu: "1" } }], "Burstable"],
    ["zero is nothing", [{ requests: { cpu: "0" } }], "BestEffort"],
    ["other resources do not count", [{ limits: { "example.com/gpu": "1" } }], "BestEffort"],
  ])("%s", (_, resources, expected) => expect(qosClassOf(podOf(resources))).toBe(expected));

  test("oom score follows class and share of memory", () => {
    const container = { name: "c", resources: { requests: { memory: "1Gi" } } } as Container;
    const burstable = podOf([{ requests: { memory: "1Gi" } }]);
    expect(oomScoreAdjOf(burstable, container, 4 * 2 ** 30)).toBe(750);
    expect(oomScoreAdjOf(podOf([{ limits: full }]), container, 4 * 2 ** 30)).toBe(-997);
    expect(oomScoreAdjOf(podOf([{}]), container, 4 * 2 ** 30)).toBe(1000);
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

  test("no limit when one container has none", () => {
    const pod = podOf([{ limits: { memory: "1Gi" } }, {}]);
    expect(podResources(pod).memoryLimit_bytes).toBeUndefined();
  });

  test("shares and quota", () => {
    expect(cpuShares(undefined)).toBe(2);
    expect(cpuShares(500)).toBe(512);
    expect(cpuQuota_us(undefined)).toBe(-1);
    expect(cpuQuota_us(250)).toBe(25_000);
    expect(cpuQuota_us(1)).toBe(1_000);
  });
});
