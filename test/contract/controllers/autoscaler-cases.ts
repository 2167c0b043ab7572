import type { HorizontalPodAutoscalerSpec, MetricSpec } from "@raft2kube/api/gen/autoscaling/v2.ts";

/** Resource usage of every pod of a case: processors and bytes, of each of its two containers. */
export interface Use {
  readonly web: { readonly cores: number; readonly bytes?: number };
  readonly side?: { readonly cores: number; readonly bytes?: number };
}

/** A Deployment, its autoscaler, and what comes of it. */
export interface AutoscalerCase {
  readonly replicas: number;
  readonly use: Use;
  /** Requests of each container; by default 100m and 100Mi. */
  readonly requests?: Record<string, string>;
  readonly spec: Omit<HorizontalPodAutoscalerSpec, "scaleTargetRef" | "maxReplicas"> & {
    readonly maxReplicas?: number;
    readonly scaleTargetRef?: HorizontalPodAutoscalerSpec["scaleTargetRef"];
  };
  /** The replicas in the end. */
  readonly ends: number;
  /** Type, status and reason in the end. */
  readonly conditions: readonly string[];
  /** A condition's expected message, by type. */
  readonly says?: Readonly<Record<string, string>>;
  /** `reason: message` of events that there must be. */
  readonly events?: readonly string[];
  readonly metrics?: readonly object[];
}

const cpu = (averageUtilization: number): MetricSpec => ({
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
});
const external: MetricSpec = {
  type: "External",
  external: { metric: { name: "queue" }, target: { type: "Value", value: "30" } },
};
const now = { stabilizationWindowSeconds: 0 };
const READY = "AbleToScale True ReadyForNewScale";
const VALID = "ScalingActive True ValidMetricFound";
const WITHIN = "ScalingLimited False DesiredWithinRange";
const TOO_MANY = "ScalingLimited True TooManyReplicas";
const NO_CUSTOM =
  "unable to fetch metrics from custom metrics API: no custom metrics API " +
  "(custom.metrics.k8s.io) registered";
const NO_EXTERNAL =
  "unable to get external metric " +
  "default/queue/nil: unable to fetch metrics from external metrics API: the server could not " +
  "find the requested resource (get queue.external.metrics.k8s.io)";
const UNABLE = "the HPA was unable to compute the replica count: ";

const BUSY: Use = { web: { cores: 0.1, bytes: 150 * 2 ** 20 }, side: { cores: 0.1 } };
const IDLE: Use = { web: { cores: 0.005 }, side: { cores: 0.005 } };

export const AUTOSCALER_CASES: Readonly<Record<string, AutoscalerCase>> = {
  "processor time above the target scales up, to the most at last": {
    replicas: 2,
    use: BUSY,
    spec: { maxReplicas: 5, metrics: [cpu(50)] },
    ends: 5,
    conditions: [READY, VALID, TOO_MANY],
    says: {
      ScalingActive:
        "the HPA was able to successfully calculate a replica count from cpu " +
        "resource utilization (percentage of request)",
      ScalingLimited: "the desired replica count is more than the maximum replica count",
    },
    events: [
      "SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of " +
        "request) above target",
    ],
  },
  "below the target scales down, to the least at last": {
    replicas: 4,
    use: IDLE,
    spec: { minReplicas: 2, behavior: { scaleDown: now } },
    ends: 2,
    conditions: [READY, VALID, "ScalingLimited True TooFewReplicas"],
    events: ["SuccessfulRescale: New size: 2; reason: All metrics below target"],
  },
  "scaling down waits for the stabilization window": {
    replicas: 3,
    use: IDLE,
    spec: {},
    ends: 3,
    conditions: ["AbleToScale True ScaleDownStabilized", VALID, WITHIN],
    says: {
      AbleToScale:
        "recent recommendations were higher than current one, applying the " +
        "highest recent recommendation",
    },
  },
  "a difference within the tolerance is none": {
    replicas: 2,
    use: { web: { cores: 0.052 }, side: { cores: 0.052 } },
    spec: { metrics: [cpu(50)] },
    ends: 2,
    conditions: [READY, VALID, WITHIN],
  },
  "an autoscaler's own tolerance": {
    replicas: 2,
    use: { web: { cores: 0.07 }, side: { cores: 0.07 } },
    spec: { metrics: [cpu(50)], behavior: { scaleUp: { tolerance: "500m" } } },
    ends: 2,
    conditions: [READY, VALID, WITHIN],
  },
  "average memory": {
    replicas: 1,
    use: BUSY,
    ends: 3,
    spec: {
      maxReplicas: 3,
      metrics: [
        {
          type: "Resource",
          resource: { name: "memory", target: { type: "AverageValue", averageValue: "100Mi" } },
        },
      ],
    },
    conditions: [READY, VALID, TOO_MANY],
    metrics: [
      { type: "Resource", resource: { name: "memory", current: { averageValue: "151Mi" } } },
    ],
  },
  "one container's share": {
    replicas: 1,
    use: { web: { cores: 0.2 }, side: { cores: 0.01, bytes: 2 ** 20 } },
    ends: 2,
    spec: {
      maxReplicas: 2,
      metrics: [
        {
          type: "ContainerResource",
          containerResource: {
            name: "memory",
            container: "side",
            target: { type: "AverageValue", averageValue: "500Ki" },
          },
        },
      ],
    },
    conditions: [READY, VALID, TOO_MANY],
    metrics: [
      {
        type: "ContainerResource",
        containerResource: { name: "memory", container: "side", current: { averageValue: "1Mi" } },
      },
    ],
  },
  "without requests there is no share of them": {
    replicas: 1,
    use: BUSY,
    requests: {},
    spec: {},
    ends: 1,
    conditions: [
      "AbleToScale True SucceededGetScale",
      "ScalingActive False FailedGetResourceMetric",
    ],
    says: {
      ScalingActive:
        `${UNABLE}failed to get cpu utilization: missing request for cpu in ` +
        "container web of Pod ",
    },
    events: [
      "FailedGetResourceMetric: failed to get cpu utilization: missing request for cpu in ",
      "FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: " +
        "failed to get cpu resource metric value: failed to get cpu utilization: missing request",
    ],
  },
  "a container that no pod has": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: {
      metrics: [
        {
          type: "ContainerResource",
          containerResource: {
            name: "cpu",
            container: "none",
            target: { type: "Utilization", averageUtilization: 50 },
          },
        },
      ],
    },
    conditions: [
      "AbleToScale True SucceededGetScale",
      "ScalingActive False FailedGetContainerResourceMetric",
    ],
    says: {
      ScalingActive:
        `${UNABLE}failed to get cpu utilization: did not receive metrics for ` +
        "targeted pods (pods might be unready)",
    },
  },
  "an object's metric that is not served": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: {
      metrics: [
        {
          type: "Object",
          object: {
            describedObject: { apiVersion: "v1", kind: "Service", name: "front" },
            metric: { name: "hits" },
            target: { type: "Value", value: "10" },
          },
        },
      ],
    },
    conditions: ["AbleToScale True SucceededGetScale", "ScalingActive False FailedGetObjectMetric"],
    says: {
      ScalingActive: `${UNABLE}unable to get metric hits: Service on default front/${NO_CUSTOM}`,
    },
    events: [
      "FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error " +
        "is: failed to get object metric value: unable to get metric hits: Service on default " +
        `front/${NO_CUSTOM}`,
    ],
  },
  "a metric of pods that is not served": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: {
      metrics: [
        {
          type: "Pods",
          pods: { metric: { name: "hits" }, target: { type: "AverageValue", averageValue: "10" } },
        },
      ],
    },
    conditions: ["AbleToScale True SucceededGetScale", "ScalingActive False FailedGetPodsMetric"],
    says: { ScalingActive: `${UNABLE}unable to get metric hits: ${NO_CUSTOM}` },
  },
  "an external metric that is not served": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: { metrics: [external] },
    conditions: [
      "AbleToScale True SucceededGetScale",
      "ScalingActive False FailedGetExternalMetric",
    ],
    says: { ScalingActive: `${UNABLE}${NO_EXTERNAL}` },
  },
  "a metric that fails does not keep another from scaling up": {
    replicas: 1,
    use: BUSY,
    spec: { maxReplicas: 2, metrics: [external, cpu(50)] },
    ends: 2,
    conditions: [READY, VALID, TOO_MANY],
  },
  "a metric that fails keeps another from scaling down": {
    replicas: 2,
    use: IDLE,
    ends: 2,
    spec: { metrics: [cpu(50), external], behavior: { scaleDown: now } },
    conditions: [
      "AbleToScale True SucceededGetScale",
      "ScalingActive False FailedGetExternalMetric",
    ],
    events: [
      "FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 2), first error " +
        "is: failed to get queue external metric value: failed to get external metric queue: " +
        NO_EXTERNAL,
    ],
  },
  "of several metrics the one that asks for most": {
    replicas: 1,
    use: BUSY,
    spec: { maxReplicas: 3, metrics: [cpu(1000), cpu(50)] },
    ends: 3,
    conditions: [READY, VALID, TOO_MANY],
  },
  "no scale, no scaling": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "nobody" } },
    conditions: ["AbleToScale False FailedGetScale"],
    says: {
      AbleToScale:
        "the HPA controller was unable to get the target's current scale: " +
        'deployments.apps "nobody" not found',
    },
    events: ['FailedGetScale: deployments.apps "nobody" not found'],
  },
  "a kind that is none": {
    replicas: 1,
    use: BUSY,
    ends: 1,
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Nothing", name: "nobody" } },
    conditions: ["AbleToScale False FailedGetScale"],
    says: { AbleToScale: 'no matches for kind "Nothing" in group "apps"' },
  },
  "what is scaled to zero stays there": {
    replicas: 0,
    use: BUSY,
    spec: {},
    ends: 0,
    conditions: ["AbleToScale True SucceededGetScale", "ScalingActive False ScalingDisabled"],
    says: { ScalingActive: "scaling is disabled since the replica count of the target is zero" },
  },
  "above its bounds it is scaled without metrics": {
    replicas: 3,
    use: { web: { cores: 0 } },
    spec: { maxReplicas: 1 },
    ends: 1,
    conditions: [
      "AbleToScale True SucceededGetScale",
      "ScalingActive False FailedGetResourceMetric",
    ],
    events: [
      "SuccessfulRescale: New size: 1; reason: Current number of replicas above " +
        "Spec.MaxReplicas",
    ],
    says: {
      ScalingActive:
        `${UNABLE}failed to get cpu utilization: unable to get metrics for ` +
        "resource cpu: no metrics returned from resource metrics API",
    },
  },
  "below its bounds too": {
    replicas: 1,
    use: BUSY,
    spec: { minReplicas: 3, maxReplicas: 3 },
    ends: 3,
    conditions: [READY, VALID, TOO_MANY],
    events: [
      "SuccessfulRescale: New size: 3; reason: Current number of replicas below " +
        "Spec.MinReplicas",
    ],
  },
  "a policy bounds how fast it grows": {
    replicas: 2,
    use: BUSY,
    ends: 3,
    spec: {
      metrics: [cpu(20)],
      behavior: { scaleUp: { policies: [{ type: "Pods", value: 1, periodSeconds: 600 }] } },
    },
    conditions: [READY, VALID, "ScalingLimited True ScaleUpLimit"],
    says: {
      ScalingLimited: "the desired replica count is increasing faster than the maximum scale rate",
    },
  },
  "a policy bounds how fast it shrinks": {
    replicas: 4,
    use: IDLE,
    ends: 3,
    spec: {
      behavior: {
        scaleDown: { ...now, policies: [{ type: "Percent", value: 25, periodSeconds: 600 }] },
      },
    },
    conditions: [READY, VALID, "ScalingLimited True ScaleDownLimit"],
  },
  "scaling down may be switched off": {
    replicas: 2,
    use: IDLE,
    ends: 2,
    spec: { behavior: { scaleDown: { ...now, selectPolicy: "Disabled" } } },
    conditions: [READY, VALID, "ScalingLimited True ScaleDownLimit"],
  },
};
