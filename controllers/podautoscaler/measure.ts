import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricTarget,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import { formatQuantity, milliValueOf, parseQuantity } from "@raft2kube/std/quantity.ts";
import { MetricError } from "./metric-error.ts";
import type { MetricAnswer } from "./metrics-api.ts";
import { readOther } from "./other-metrics.ts";
import { metricsOf } from "./pod-metrics.ts";
import type { Answered, Measured, Reading } from "./reading.ts";
import {
  proposeByAverage,
  proposeByUtilization,
  type Question,
  type Tolerances,
} from "./replicas.ts";

const RESOURCE_API = "unable to fetch metrics from resource metrics API";

/** Reads one metric; `answer` is that of the API of metrics that are not the pods' usage. */
export function readMetric(
  autoscaler: HorizontalPodAutoscaler,
  metric: MetricSpec,
  measured: Measured,
  answer: MetricAnswer | undefined,
): Reading {
  try {
    const tolerances = tolerancesOf(autoscaler, measured.settings.tolerance);
    return (
      readResource(autoscaler, metric, measured) ??
      readOther(autoscaler, { metric, answer, measured, tolerances })
    );
  } catch (thrown) {
    if (!(thrown instanceof MetricError)) throw thrown;
    return failureOf(metric, thrown.message);
  }
}

function failureOf({ type, ...metric }: MetricSpec, message: string): Reading {
  const said = (failed: string, what: string, more = ""): Reading => ({
    failed,
    message,
    whole: `failed to get ${what} value: ${more}${message}`,
  });
  switch (type) {
    case "Resource":
      return said("FailedGetResourceMetric", `${metric.resource?.name} resource metric`);
    case "ContainerResource": {
      const { container } = metric.containerResource ?? {};
      return said("FailedGetContainerResourceMetric", `${container} container metric`);
    }
    case "Object": {
      const { target, metric: named } = metric.object ?? {};
      const more =
        target?.type === "AverageValue" ? `failed to get ${named?.name} object metric: ` : "";
      return said("FailedGetObjectMetric", "object metric", more);
    }
    case "Pods":
      return said("FailedGetPodsMetric", "pods metric");
    case "External": {
      const { target, metric: named } = metric.external ?? {};
      const more =
        target?.averageValue !== undefined
          ? `failed to get ${named?.name} external metric: `
          : `failed to get external metric ${named?.name}: `;
      return said("FailedGetExternalMetric", `${named?.name} external metric`, more);
    }
    default:
      return { failed: "InvalidMetricSourceType", message, whole: message };
  }
}

/** Reads the pods' usage; undefined for another type of metric. Throws `MetricError`. */
function readResource(
  autoscaler: HorizontalPodAutoscaler,
  metric: MetricSpec,
  measured: Measured,
): Reading | undefined {
  const { resource, containerResource } = metric;
  if (metric.type === "Resource" && resource) {
    const { target, name } = resource;
    const { current, replicas } = readUsage(autoscaler, { name, target, container: "" }, measured);
    const kind =
      target.averageValue === undefined
        ? "resource utilization (percentage of request)"
        : "resource";
    const status = { type: metric.type, resource: { name, current } };
    return { replicas, name: `${name} ${kind}`, status };
  }
  if (metric.type === "ContainerResource" && containerResource) {
    const { target, name, container } = containerResource;
    const { current, replicas } = readUsage(autoscaler, { name, target, container }, measured);
    const kind =
      target.averageValue === undefined
        ? "container resource utilization (percentage of request)"
        : "resource";
    const status = { type: metric.type, containerResource: { name, container, current } };
    return { replicas, name: `${name} ${kind}`, status };
  }
  return undefined;
}

type Wanted = { readonly name: string; readonly container: string; readonly target: MetricTarget };

/** Throws `MetricError`. */
function readUsage(
  autoscaler: HorizontalPodAutoscaler,
  { name, container, target }: Wanted,
  measured: Measured,
) {
  const { averageValue, averageUtilization } = target;
  const describe =
    (what: string) =>
    <T>(act: () => T): T => {
      try {
        return act();
      } catch (thrown) {
        if (!(thrown instanceof MetricError)) throw thrown;
        throw new MetricError(`failed to get ${name} ${what}: ${thrown.message}`);
      }
    };
  const tolerances = tolerancesOf(autoscaler, measured.settings.tolerance);
  const question = (): Question => ({
    ...measured,
    resource: name,
    container,
    tolerances,
    metrics: metricsFor(measured.answered, name, container),
  });
  if (averageValue !== undefined) {
    const proposal = describe("usage")(() =>
      proposeByAverage(question(), milliValueOf(averageValue)),
    );
    const current = { averageValue: amountOf(name, proposal.average_milli) };
    return { current, replicas: proposal.replicas };
  }
  if (averageUtilization === undefined) {
    throw new MetricError(
      "invalid resource metric source: neither an average utilization target " +
        "nor an average value (usage) target was set",
    );
  }
  const { replicas, utilization, average_milli } = describe("utilization")(() =>
    proposeByUtilization(question(), averageUtilization),
  );
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
