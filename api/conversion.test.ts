import { describe, expect, it } from "vitest";
import { horizontalPodAutoscaler as v1 } from "./autoscaling/v1/horizontal-pod-autoscaler.ts";
import { event as newer } from "./events/v1/event.ts";
import type { KubeObject } from "./kind.ts";

/** What is stored, read in the other version and written again, is what was stored. */
describe("kinds with two versions", () => {
  it("Event keeps its fields under other names", () => {
    const stored = {
      kind: "Event", apiVersion: "v1", metadata: { name: "e", namespace: "n" },
      involvedObject: { kind: "Pod", name: "p", namespace: "n" }, message: "m", count: 2,
      reportingComponent: "kubelet", source: { component: "kubelet" },
      firstTimestamp: "2026-01-01T00:00:00Z",
    };
    const read = newer.fromStorage!(stored);
    expect(read).toMatchObject({
      apiVersion: "events.k8s.io/v1", regarding: { name: "p" }, note: "m", deprecatedCount: 2,
      reportingController: "kubelet",
    });
    expect(newer.toStorage!(read)).toEqual(stored);
  });

  it("HorizontalPodAutoscaler carries what version 1 cannot say in annotations", () => {
    const stored: KubeObject = {
      kind: "HorizontalPodAutoscaler", apiVersion: "autoscaling/v2", metadata: { name: "h" },
      ...{
        spec: {
          scaleTargetRef: { kind: "Deployment", name: "d" }, maxReplicas: 3,
          metrics: [
            { type: "Pods", pods: { metric: { name: "x" },
              target: { type: "AverageValue", averageValue: "1" } } },
            { type: "Resource", resource: { name: "cpu",
              target: { type: "Utilization", averageUtilization: 50 } } },
          ],
          behavior: { scaleDown: { stabilizationWindowSeconds: 1 } },
        },
        status: { currentReplicas: 1, desiredReplicas: 2, currentMetrics: [] },
      },
    };
    const read = v1.fromStorage!(structuredClone(stored));
    expect(read.spec.targetCPUUtilizationPercentage).toBe(50);
    expect(v1.toStorage!(read)).toEqual(stored);
  });
});
