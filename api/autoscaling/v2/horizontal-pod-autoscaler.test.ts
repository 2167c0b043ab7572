import { expect, it } from "vitest";
import type { HorizontalPodAutoscaler } from "../../gen/autoscaling/v2.ts";
import { validateAutoscaler } from "./horizontal-pod-autoscaler.ts";

const of = (kind: string, apiVersion: string | undefined, minReplicas = 1) =>
  ({
    metadata: { name: "h" },
    spec: {
      scaleTargetRef: { kind, name: "d", ...(apiVersion === undefined ? {} : { apiVersion }) },
      minReplicas,
      maxReplicas: 3,
      metrics: [
        {
          type: "External",
          external: { metric: { name: "q" }, target: { type: "Value", value: "1" } },
        },
      ],
    },
  }) as HorizontalPodAutoscaler;

const fieldsOf = (made: HorizontalPodAutoscaler, old?: HorizontalPodAutoscaler) =>
  validateAutoscaler(made, old).map(({ field }) => field);

it("a target is of a group, but for ReplicationControllers", () => {
  expect(fieldsOf(of("Deployment", "apps/v1"))).toEqual([]);
  expect(fieldsOf(of("Deployment", "v1"))).toEqual(["spec.scaleTargetRef.apiVersion"]);
  expect(fieldsOf(of("ReplicationController", "v1"))).toEqual([]);
  expect(fieldsOf(of("ReplicationController", undefined))).toEqual([]);
});

it("what an update leaves as it was is not refused", () => {
  expect(fieldsOf(of("Deployment", "v1"), of("Deployment", "v1"))).toEqual([]);
  expect(fieldsOf(of("ReplicaSet", "v1"), of("Deployment", "v1"))).toEqual([
    "spec.scaleTargetRef.apiVersion",
  ]);
  expect(fieldsOf(of("Deployment", "apps/v1", 0))).toEqual(["spec.minReplicas"]);
  expect(fieldsOf(of("Deployment", "apps/v1", 0), of("Deployment", "apps/v1", 0))).toEqual([]);
});
