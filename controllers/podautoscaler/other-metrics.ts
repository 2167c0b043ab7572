import type { HorizontalPodAutoscaler, MetricSpec } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { formatQuantity, milliValueOf } from "@raft2kube/std/quantity.ts";
import { MetricError } from "./metric-error.ts";
import type { MetricAnswer, MetricValue } from "./metrics-api.ts";
import type { Measured, Reading } from "./reading.ts";
import { proposeByAverage, proposeByRatio, proposePerPod, type Tolerances } from "./replicas.ts";

/** A metric, the answer of its API, and the pods that it is to scale. */
export interface OtherMetric {
  readonly metric: MetricSpec;
  readonly answer: MetricAnswer | undefined;
  readonly measured: Measured;
  readonly tolerances: Tolerances;
}

/** Reads a metric of type Object, Pods or External. Throws `MetricError`. */
export function readOther(autoscaler: HorizontalPodAutoscaler, other: OtherMetric): Reading {
  const { type, object, pods, external } = other.metric;
  const { namespace = "" } = autoscaler.metadata;
  if (type === "Object" && object) return readObject(namespace, other, object);
  if (type === "Pods" && pods) return readPods(other, pods);
  if (type === "External" && external) return readExternal(namespace, other, external);
  throw new MetricError(`unknown metric source type ${JSON.stringify(type)}`);
}

function readObject(
  namespace: string,
  other: OtherMetric,
  object: NonNullable<MetricSpec["object"]>,
): Reading {
  const { describedObject, metric, target } = object;
  const { kind, name } = describedObject;
  // Upstream puts the words in this order.
  const values = valuesOf(
    other,
    (why) => `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/${why}`,
  );
  const { replicas, current } = byTarget(other, sumOf(values), target);
  if (current === undefined) {
    throw new MetricError(
      "invalid object metric source: neither a value target nor an average " +
        "value target was set",
    );
  }
  return {
    replicas,
    name: current.value !== undefined ? `${kind} metric ${metric.name}` : externalName(metric),
    status: { type: "Object", object: { describedObject, metric, current } },
  };
}

function readPods(
  other: OtherMetric,
  { metric, target }: NonNullable<MetricSpec["pods"]>,
): Reading {
  const values = valuesOf(other, (why) => `unable to get metric ${metric.name}: ${why}`);
  const { measured, tolerances } = other;
  const metrics = new Map(values.map((each) => [each.name, each]));
  const question = { ...measured, resource: "", container: "", tolerances, metrics };
  const wanted = milliValueOf(target.averageValue ?? "0");
  const { replicas, average_milli } = proposeByAverage(question, wanted);
  const current = { averageValue: amountOf(average_milli) };
  const status = { type: "Pods", pods: { metric, current } };
  return { replicas, name: `pods metric ${metric.name}`, status };
}

function readExternal(
  namespace: string,
  other: OtherMetric,
  external: NonNullable<MetricSpec["external"]>,
): Reading {
  const { metric, target } = external;
  const asked = `${namespace}/${metric.name}/${selectorText(metric.selector)}`;
  const values = valuesOf(other, (why) => `unable to get external metric ${asked}: ${why}`);
  const { replicas, current } = byTarget(other, sumOf(values), target);
  if (current === undefined) {
    throw new MetricError(
      "invalid external metric source: neither a value target nor an average " +
        "value target was set",
    );
  }
  const status = { type: "External", external: { metric, current } };
  return { replicas, name: externalName(metric), status };
}

/** Compares an amount with a target for each pod, or for all together. */
function byTarget(
  { measured, tolerances }: OtherMetric,
  milli: number,
  { averageValue, value }: { averageValue?: string; value?: string },
) {
  if (averageValue !== undefined) {
    const { statusReplicas } = measured;
    const replicas = proposePerPod(milli, milliValueOf(averageValue), statusReplicas, tolerances);
    const average = Math.ceil(milli / Math.max(1, statusReplicas));
    return { replicas, current: { averageValue: amountOf(average) } };
  }
  if (value === undefined) return { replicas: 0, current: undefined };
  const replicas = proposeByRatio({ ...measured, tolerances }, milli / milliValueOf(value));
  return { replicas, current: { value: amountOf(milli) } };
}

function valuesOf(
  { answer }: OtherMetric,
  because: (why: string) => string,
): readonly MetricValue[] {
  if (answer === undefined) throw new MetricError(because("it was not asked for"));
  if ("error" in answer) throw new MetricError(because(answer.error));
  return answer.values;
}

function sumOf(values: readonly MetricValue[]): number {
  const sum = values.reduce((all, { milli }) => all + milli, 0);
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

function amountOf(milli: number): string {
  return formatQuantity({ nanos: BigInt(Math.trunc(milli)) * 1_000_000n, format: "decimal" });
}

const externalName = ({ name, selector }: { name: string; selector?: LabelSelector }): string =>
  `external metric ${name}(${selectorText(selector)})`;

/** Formats a selector as Go prints the structure. */
function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return "nil";
  const labels = Object.entries(selector.matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`)
    .join(" ");
  const terms = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(" ")}],},`,
  );
  return (
    `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:` +
    `[]LabelSelectorRequirement{${terms.join("")}},}`
  );
}
