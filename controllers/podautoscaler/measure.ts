import type {
  HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import { formatQuantity, milliValueOf, parseQuantity } from "@raft2kube/std/quantity.ts";
import { MetricError } from "./metric-error.ts";
import { metricsOf } from "./pod-metrics.ts";
import { proposeByAverage, proposeByUtilization, type Question, type Tolerances } from
  "./replicas.ts";
import type { AutoscalerSettings } from "../autoscaler-settings.ts";

/** The answer of the metrics API for the pods of one workload, or why there is none. */
export type Answered = { readonly items: readonly PodMetrics[] } | { readonly error: string };

/** All that a proposal needs but the metric's own words. */
export type Measured = Pick<Question, "pods" | "currentReplicas" | "now_ms"> & {
  readonly answered: Answered;
  readonly settings: AutoscalerSettings;
};

/** The result of one metric of an autoscaler. */
export type Reading =
  | { readonly replicas: number; readonly name: string; readonly status: MetricStatus }
  /** `message` without, `whole` with the prefix that distinguishes several metrics. */
  | { readonly failed: string; readonly message: string; readonly whole: string };

const RESOURCE_API = "unable to fetch metrics from resource metrics API";
const NO_CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API " +
  "(custom.metrics.k8s.io) registered";
const NO_EXTERNAL = "unable to fetch metrics from external metrics API";

/** Reads one metric. Object, pods and external metrics are another server's: there is none. */
export function readMetric(
  autoscaler: HorizontalPodAutoscaler, metric: MetricSpec, measured: Measured,
): Reading {
  try {
    return readResource(autoscaler, metric, measured);
  } catch (thrown) {
    if (!(thrown instanceof MetricError)) throw thrown;
    return failureOf(metric, thrown.message);
  }
}

function failureOf({ type, ...metric }: MetricSpec, message: string): Reading {
  const said = (failed: string, what: string, more = ""): Reading =>
    ({ failed, message, whole: `failed to get ${what} value: ${more}${message}` });
  switch (type) {
    case "Resource":
      return said("FailedGetResourceMetric", `${metric.resource?.name} resource metric`);
    case "ContainerResource": {
      const { container } = metric.containerResource ?? {};
      return said("FailedGetContainerResourceMetric", `${container} container metric`);
    }
    case "Object": {
      const { target, metric: named } = metric.object ?? {};
      const more = target?.type === "AverageValue"
        ? `failed to get ${named?.name} object metric: ` : "";
      return said("FailedGetObjectMetric", "object metric", more);
    }
    case "Pods":
      return said("FailedGetPodsMetric", "pods metric");
    case "External": {
      const { target, metric: named } = metric.external ?? {};
      const more = target?.averageValue !== undefined
        ? `failed to get ${named?.name} external metric: `
        : `failed to get external metric ${named?.name}: `;
      return said("FailedGetExternalMetric", `${named?.name} external metric`, more);
    }
    default:
      return { failed: "InvalidMetricSourceType", message, whole: message };
  }
}

/** Throws `MetricError`. */
function readResource(
  autoscaler: HorizontalPodAutoscaler, metric: MetricSpec, measured: Measured,
): Reading {
  const { resource, containerResource } = metric;
  if (metric.type === "Resource" && resource) {
    const { target, name } = resource;
    const { current, replicas } = readUsage(autoscaler, { name, target, container: "" }, measured);
    const kind = target.averageValue === undefined
      ? "resource utilization (percentage of request)" : "resource";
    const status = { type: metric.type, resource: { name, current } };
    return { replicas, name: `${name} ${kind}`, status };
  }
  if (metric.type === "ContainerResource" && containerResource) {
    const { target, name, container } = containerResource;
    const { current, replicas } = readUsage(autoscaler, { name, target, container }, measured);
    const kind = target.averageValue === undefined
      ? "container resource utilization (percentage of request)" : "resource";
    const status = { type: metric.type, containerResource: { name, container, current } };
    return { replicas, name: `${name} ${kind}`, status };
  }
  throw new MetricError(unavailable(autoscaler.metadata.namespace ?? "", metric));
}

/** No server of other metrics is asked: the words are those of one that is not there. */
function unavailable(namespace: string, { type, object, pods, external }: MetricSpec): string {
  if (type === "Object" && object) {
    const { describedObject: { kind, name }, metric } = object;
    // Upstream puts the words in this order.
    return `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/${NO_CUSTOM}`;
  }
  if (type === "Pods" && pods) return `unable to get metric ${pods.metric.name}: ${NO_CUSTOM}`;
  if (type === "External" && external) {
    const { name, selector } = external.metric;
    const missing = `the server could not find the requested resource (get ` +
      `${name}.external.metrics.k8s.io)`;
    return `unable to get external metric ${namespace}/${name}/${selectorText(selector)}: ` +
      `${NO_EXTERNAL}: ${missing}`;
  }
  return `unknown metric source type ${JSON.stringify(type)}`;
}

/** Formats a selector as Go prints the structure. */
function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return "nil";
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`).join(" ");
  const terms = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) =>
    `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(" ")}],},`);
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:` +
    `[]LabelSelectorRequirement{${terms.join("")}},}`;
}

interface Wanted {
  readonly name: string;
  readonly container: string;
  readonly target: MetricTarget;
}

/** Throws `MetricError`. */
function readUsage(
  autoscaler: HorizontalPodAutoscaler, { name, container, target }: Wanted, measured: Measured,
) {
  const { averageValue, averageUtilization } = target;
  const describe = (what: string) => <T>(act: () => T): T => {
    try {
      return act();
    } catch (thrown) {
      if (!(thrown instanceof MetricError)) throw thrown;
      throw new MetricError(`failed to get ${name} ${what}: ${thrown.message}`);
    }
  };
  const tolerances = tolerancesOf(autoscaler, measured.settings.tolerance);
  const question = (): Question =>
    ({ ...measured, resource: name, container, tolerances, metrics: metricsFor(measured.answered,
      name, container) });
  if (averageValue !== undefined) {
    const proposal = describe("usage")(() =>
      proposeByAverage(question(), milliValueOf(averageValue)));
    const current = { averageValue: amountOf(name, proposal.average_milli) };
    return { current, replicas: proposal.replicas };
  }
  if (averageUtilization === undefined) {
    throw new MetricError("invalid resource metric source: neither an average utilization target " +
      "nor an average value (usage) target was set");
  }
  const { replicas, utilization, average_milli } = describe("utilization")(() =>
    proposeByUtilization(question(), averageUtilization));
  return {
    replicas,
    current: { averageUtilization: utilization, averageValue: amountOf(name, average_milli) },
  };
}

/** Throws `MetricError`. */
function metricsFor(answered: Answered, name: string, container: string) {
  const fail = (why: string): never => {
    throw new MetricError(`unable to get metrics for resource ${name}: ${why}`);
  };
  if ("error" in answered) return fail(`${RESOURCE_API}: ${answered.error}`);
  if (answered.items.length === 0) return fail("no metrics returned from resource metrics API");
  return metricsOf(answered.items, name, container);
}

/** Memory in the notation that the metrics API has it in. */
function amountOf(resource: string, milli: number): string {
  const format = resource === "memory" ? "binary" : "decimal";
  return formatQuantity({ nanos: BigInt(milli) * 1_000_000n, format });
}

function tolerancesOf({ spec }: HorizontalPodAutoscaler, usual: number): Tolerances {
  const share = (text: string | undefined) =>
    text === undefined ? usual : Number(parseQuantity(text).nanos) / 1e9;
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  return { up: share(scaleUp?.tolerance), down: share(scaleDown?.tolerance) };
}
