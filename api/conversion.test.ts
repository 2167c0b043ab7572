import { describe, expect, it } from "vitest";
import { horizontalPodAutoscaler as v1 } from "./autoscaling/v1/horizontal-pod-autoscaler.ts";
import { event as newer } from "./events/v1/event.ts";
import type { KubeObject } from "./kind.ts";

/** An object that is read in the other version and written again is unchanged. */
describe("kinds with two versions", () => {
  it("Event keeps its fields under other names", () => {
    const stored = {
      kind: "Event",
      apiVersion: "v1",
      metadata: { name: "e", namespace: "n" },
      involvedObject: { kind: "Pod", name: "p", namespace: "n" },
      message: "m",
      count: 2,
      reportingComponent: "kubelet",
      source: { component: "kubelet" },
      firstTimestamp: "2026-01-01T00:00:00Z",
    };
    const read = newer.fromStorage!(stored);
    expect(read).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      regarding: { name: "p" },
      note: "m",
      deprecatedCount: 2,
      reportingController: "kubelet",
    });
    expect(newer.toStorage!(read)).toEqual(stored);
  });

  describe("HorizontalPodAutoscaler carries what version 1 cannot say in annotations", () => {
    const target = { kind: "Deployment", name: "d" };
    const share = { type: "Utilization", averageUtilization: 50 };
    const stored = {
      kind: "HorizontalPodAutoscaler",
      apiVersion: "autoscaling/v2",
      metadata: { name: "h", annotations: { own: "1" } },
      spec: {
        scaleTargetRef: target,
        maxReplicas: 3,
        metrics: [
          {
            type: "Pods",
            pods: {
              metric: { name: "x", selector: { matchLabels: { a: "b" } } },
              target: { type: "AverageValue", averageValue: "1" },
            },
          },
          {
            type: "Object",
            object: {
              describedObject: target,
              metric: { name: "o" },
              target: { type: "Value", value: "2" },
            },
          },
          {
            type: "Object",
            object: {
              describedObject: target,
              metric: { name: "o" },
              target: { type: "AverageValue", averageValue: "3" },
            },
          },
          {
            type: "External",
            external: { metric: { name: "e" }, target: { type: "Value", value: "4" } },
          },
          {
            type: "ContainerResource",
            containerResource: { name: "cpu", target: share, container: "c" },
          },
          {
            type: "Resource",
            resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Mi" } },
          },
          { type: "Resource", resource: { name: "cpu", target: share } },
        ],
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: 1,
            selectPolicy: "Min",
            policies: [{ type: "Pods", value: 2, periodSeconds: 3 }],
            tolerance: "50m",
          },
        },
      },
      status: {
        currentReplicas: 1,
        desiredReplicas: 2,
        currentMetrics: [
          {
            type: "Resource",
            resource: { name: "cpu", current: { averageValue: "10m", averageUtilization: 7 } },
          },
          { type: "Pods", pods: { metric: { name: "x" }, current: { averageValue: "5" } } },
        ],
        conditions: [{ type: "AbleToScale", status: "True" }],
      },
    };
    const of = (name: string) => `autoscaling.alpha.kubernetes.io/${name}`;
    const object = stored as unknown as KubeObject;

    it("and back", () => {
      const read = v1.fromStorage!(structuredClone(object));
      expect(read.spec.targetCPUUtilizationPercentage).toBe(50);
      expect(read.status?.currentCPUUtilizationPercentage).toBe(7);
      expect(v1.toStorage!(read)).toEqual(stored);
    });

    it("in upstream's structures of version 1", () => {
      const { annotations = {} } = v1.fromStorage!(structuredClone(object)).metadata;
      const metrics = JSON.parse(annotations[of("metrics")]!) as object[];
      expect(metrics.slice(0, 3)).toEqual([
        {
          type: "Pods",
          pods: { metricName: "x", targetAverageValue: "1", selector: { matchLabels: { a: "b" } } },
        },
        { type: "Object", object: { target, metricName: "o", targetValue: "2" } },
        {
          type: "Object",
          object: { target, metricName: "o", targetValue: "0", averageValue: "3" },
        },
      ]);
      expect(annotations[of("behavior")]).toBe(
        '{"ScaleUp":null,"ScaleDown":' +
          '{"StabilizationWindowSeconds":1,"SelectPolicy":"Min","Policies":[{"Type":"Pods",' +
          '"Value":2,"PeriodSeconds":3}],"Tolerance":"50m"}}',
      );
      expect(JSON.parse(annotations[of("current-metrics")]!)).toEqual([
        {
          type: "Resource",
          resource: { name: "cpu", currentAverageUtilization: 7, currentAverageValue: "10m" },
        },
        { type: "Pods", pods: { metricName: "x", currentAverageValue: "5" } },
      ]);
    });

    it.each(["no JSON", "5", "{}", "[5]", '[{"type":[]}]', "null", '{"ScaleUp":4}'])(
      "but passes over what it cannot read: %s",
      (text) => {
        const names = ["metrics", "behavior", "current-metrics", "conditions"];
        const annotations = Object.fromEntries(names.map((name) => [of(name), text]));
        const made = v1.toStorage!({
          metadata: { name: "h", annotations },
          spec: { scaleTargetRef: target, maxReplicas: 1 },
        }) as unknown as { spec: object; metadata: object };
        expect(made.metadata).toEqual({ name: "h" });
        expect(made.spec).toEqual({ scaleTargetRef: target, maxReplicas: 1, metrics: [] });
      },
    );
  });
});
