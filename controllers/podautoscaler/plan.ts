import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { listed } from "@raft2kube/std/listed.ts";
import type { AutoscalerSettings } from "../autoscaler-settings.ts";
import { AUTOSCALER_METRICS_MAX } from "../limits.ts";
import { beginHistory, type History } from "./history.ts";
import { readMetric } from "./measure.ts";
import type { MetricAnswer } from "./metrics-api.ts";
import { normalize } from "./normalize.ts";
import type { Answered, Reading } from "./reading.ts";
import { type Finding, withFinding } from "./status.ts";

/** An event about the autoscaler. */
export interface Note {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/**
 * The pods that the scale's selector finds (none where `needsMetrics` is false), or why
 * there is no such selector.
 */
export type Selected =
  | {
      readonly pods: readonly Pod[];
      /** The keys of all autoscalers that select one of these pods, this one included. */
      readonly rivals: readonly string[];
      readonly answered: Answered;
      /** The answers of other metrics' APIs, in the places of their metrics in the spec. */
      readonly others: readonly (MetricAnswer | undefined)[];
    }
  | { readonly invalid: string };

/** An autoscaler with its target and metrics. */
export interface AutoscalerView {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly scale: Scale;
  readonly selected: Selected;
  /** The history of decisions; undefined before the first plan. */
  readonly history: History | undefined;
  readonly settings: AutoscalerSettings;
  readonly now_ms: number;
}

/** The plan of an autoscaler. */
export interface AutoscalerPlan {
  readonly status: HorizontalPodAutoscalerStatus;
  /** The replicas to set, and why; undefined when nothing is scaled. */
  readonly rescale?: { readonly replicas: number; readonly reason: string };
  readonly notes: readonly Note[];
  readonly history: History;
}

type Conditions = NonNullable<HorizontalPodAutoscalerStatus["conditions"]>;

/** The observations of a plan. */
class Findings {
  readonly notes: Note[] = [];
  #conditions: readonly Conditions[number][];
  readonly #now_ms: number;

  constructor(conditions: Conditions, now_ms: number) {
    this.#conditions = conditions;
    this.#now_ms = now_ms;
  }

  get conditions(): Conditions {
    return [...this.#conditions];
  }

  set(type: Finding["type"], status: Finding["status"], reason: string, message: string): void {
    this.#conditions = withFinding(
      this.#conditions,
      { type, status, reason, message },
      this.#now_ms,
    );
  }

  warn(reason: string, message: string): void {
    this.notes.push({ type: "Warning", reason, message });
  }
}

const READY_FOR_NEW_SCALE = {
  reason: "ReadyForNewScale",
  message: "recommended size matches current size",
};

/** Plans one step of an autoscaler whose target's scale was read (upstream's reconcile). */
export function planAutoscaler(view: AutoscalerView): AutoscalerPlan {
  const { autoscaler, scale, now_ms } = view;
  const { spec, status } = autoscaler;
  const current = scale.spec?.replicas ?? 0;
  const min = spec.minReplicas ?? 1;
  const history = view.history ?? beginHistory(current, now_ms);
  const findings = new Findings(status?.conditions ?? [], now_ms);
  const message = "the HPA controller was able to get the target's current scale";
  findings.set("AbleToScale", "True", "SucceededGetScale", message);
  const end = (desired: number, metrics: MetricStatus[], more: Partial<AutoscalerPlan> = {}) => ({
    status: statusOf(status, current, desired, metrics, findings),
    notes: findings.notes,
    history,
    ...more,
  });
  if (current === 0) {
    const text = "scaling is disabled since the replica count of the target is zero";
    findings.set("ScalingActive", "False", "ScalingDisabled", text);
    return end(current, []);
  }
  const outside = outsideBounds(current, min, spec.maxReplicas);
  if (outside) return end(outside.replicas, [], { rescale: outside });
  const read = readMetrics(view, current, findings);
  if ("failed" in read) {
    findings.warn("FailedComputeMetricsReplicas", read.failed);
    return end(status?.desiredReplicas ?? 0, read.metrics);
  }
  const normal = normalize({
    autoscaler,
    history,
    current,
    desired: read.desired,
    min,
    now_ms,
    downscale_ms: view.settings.downscaleStabilization_ms,
  });
  const { stabilized, limited } = normal;
  const able = stabilized.replicas === read.desired ? READY_FOR_NEW_SCALE : stabilized;
  findings.set("AbleToScale", "True", able.reason, able.message);
  findings.set(
    "ScalingLimited",
    limited.replicas === stabilized.replicas ? "False" : "True",
    limited.reason,
    limited.message,
  );
  const isWish = limited.replicas !== current;
  const reason =
    read.desired > current
      ? `${read.name} above target`
      : read.desired < current
        ? "All metrics below target"
        : "";
  return end(limited.replicas, read.metrics, {
    history: normal.history,
    ...(isWish ? { rescale: { replicas: limited.replicas, reason } } : {}),
  });
}

/** Whether a step reads metrics: not of a workload without replicas or outside its bounds. */
export function needsMetrics({ spec }: HorizontalPodAutoscaler, scale: Scale): boolean {
  const current = scale.spec?.replicas ?? 0;
  return (
    current !== 0 && outsideBounds(current, spec.minReplicas ?? 1, spec.maxReplicas) === undefined
  );
}

/** Scales a workload outside its bounds without reading metrics. */
function outsideBounds(current: number, min: number, max: number) {
  if (current > max) {
    return { replicas: max, reason: "Current number of replicas above Spec.MaxReplicas" };
  }
  if (current < min) {
    return { replicas: min, reason: "Current number of replicas below Spec.MinReplicas" };
  }
  return undefined;
}

/** Upstream's status names no generation. */
function statusOf(
  before: HorizontalPodAutoscalerStatus | undefined,
  currentReplicas: number,
  desiredReplicas: number,
  currentMetrics: MetricStatus[],
  { conditions }: Findings,
): HorizontalPodAutoscalerStatus {
  const { lastScaleTime } = before ?? {};
  return {
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    currentReplicas,
    desiredReplicas,
    currentMetrics,
    conditions,
  };
}

type ReadMetrics = { readonly metrics: MetricStatus[] } & (
  | { readonly desired: number; readonly name: string }
  | { readonly failed: string }
);

/** The most that a metric asks for; where one fails, nothing is scaled down. */
function readMetrics(view: AutoscalerView, current: number, findings: Findings): ReadMetrics {
  const { autoscaler, selected, settings, now_ms, scale } = view;
  const wrong = tooMany(autoscaler) ?? complaintOf(scale.status?.selector ?? "", selected);
  if ("invalid" in selected || wrong !== undefined) {
    const { reason, message, condition = message, why = reason } = wrong ?? UNREADABLE;
    findings.warn(reason, message);
    findings.set("ScalingActive", "False", why, condition);
    return { failed: message, metrics: [] };
  }
  const { pods, answered, others } = selected;
  const statusReplicas = scale.status?.replicas ?? 0;
  const measured = { pods, answered, settings, now_ms, currentReplicas: current, statusReplicas };
  const specs = autoscaler.spec.metrics ?? [];
  const readings = specs.map((each, index) =>
    readMetric(autoscaler, each, measured, others[index]),
  );
  for (const each of readings) if ("failed" in each) findings.warn(each.failed, each.message);
  // A metric that failed leaves its place in the list.
  const metrics = readings.map(
    (each): MetricStatus => ("failed" in each ? { type: "" as MetricStatus["type"] } : each.status),
  );
  const failures = readings.filter((each) => "failed" in each);
  const best = readings.reduce<Extract<Reading, { name: string }> | undefined>(
    (most, each) =>
      "failed" in each || (most && most.replicas !== 0 && each.replicas <= most.replicas)
        ? most
        : each,
    undefined,
  );
  const [first] = failures;
  const blocked = first && (!best || best.replicas < current);
  if (blocked) {
    const text = `the HPA was unable to compute the replica count: ${first.message}`;
    findings.set("ScalingActive", "False", first.failed, text);
    const count = `${failures.length} invalid out of ${specs.length}`;
    return { failed: `invalid metrics (${count}), first error is: ${first.whole}`, metrics };
  }
  const { name = "", replicas = 0 } = best ?? {};
  const message = `the HPA was able to successfully calculate a replica count from ${name}`;
  findings.set("ScalingActive", "True", "ValidMetricFound", message);
  return { desired: replicas, name, metrics };
}

interface Complaint {
  /** Reason of the event. */
  readonly reason: string;
  readonly message: string;
  /** Reason of the condition, if it differs. */
  readonly why?: string;
  readonly condition?: string;
}

const UNREADABLE: Complaint = { reason: "InvalidSelector", message: "invalid selector" };

/** Upstream has no bound; its autoscalers share no thread with other controllers. */
function tooMany({ spec: { metrics = [] } }: HorizontalPodAutoscaler): Complaint | undefined {
  if (metrics.length <= AUTOSCALER_METRICS_MAX) return undefined;
  const message = `${metrics.length} metrics are too many: at most ${AUTOSCALER_METRICS_MAX}`;
  return { reason: "TooManyMetrics", message };
}

function complaintOf(selector: string, selected: Selected): Complaint | undefined {
  if (selector === "") {
    return {
      reason: "SelectorRequired",
      message: "selector is required",
      why: "InvalidSelector",
      condition: "the HPA target's scale is missing a selector",
    };
  }
  if ("invalid" in selected) {
    const message =
      "couldn't convert selector into a corresponding internal selector object: " +
      selected.invalid;
    return { reason: "InvalidSelector", message };
  }
  if (selected.rivals.length < 2) return undefined;
  const which = `[${listed(selected.rivals, " ")}]`;
  return {
    reason: "AmbiguousSelector",
    message: `pods by selector ${selector} are controlled by multiple HPAs: ${which}`,
  };
}
