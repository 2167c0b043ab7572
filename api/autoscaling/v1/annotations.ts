/**
 * Reads and writes the annotations in which upstream keeps the parts of a HorizontalPodAutoscaler
 * that version 1 has no fields for: metrics and conditions in structures of version 1, behavior in
 * the form of Go's internal structure, whose fields start with capitals.
 */
import { CodedError } from "@raft2kube/std/errors.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { decodeJson } from "../../codec/json.ts";
import type {
  MetricSpec as FirstSpec,
  MetricStatus as FirstStatus,
  HorizontalPodAutoscalerCondition,
} from "../../gen/autoscaling/v1.ts";
import type {
  HorizontalPodAutoscalerBehavior,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
} from "../../gen/autoscaling/v2.ts";
import type { LabelSelector } from "../../gen/meta/v1.ts";

const METRICS = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions";
/** Annotations of an alpha version that stored tolerances in them; upstream drops them. */
const DROPPED = ["up", "down"].map(
  (way) => `autoscaling.alpha.kubernetes.io/scale-${way}-tolerance`,
);

/** The annotations of one object. */
export interface Annotated {
  readonly metrics?: readonly MetricSpec[];
  readonly behavior?: HorizontalPodAutoscalerBehavior;
  readonly currentMetrics?: readonly MetricStatus[];
  readonly conditions?: readonly HorizontalPodAutoscalerCondition[];
}

type Annotations = Readonly<Record<string, string>>;

/** Separates the annotations that conversion added, and decodes them. */
export function readAnnotations(annotations: Annotations | undefined): {
  rest: Record<string, string>;
  said: Annotated;
} {
  const rest = { ...annotations };
  const take = <T>(name: string, read: (value: unknown) => T): T | undefined => {
    const text = rest[name];
    delete rest[name];
    return text === undefined ? undefined : readJson(text, read);
  };
  const metrics = take(METRICS, (value) => listOf<FirstSpec>("MetricSpec", value).map(specOf));
  const behavior = take(BEHAVIOR, behaviorOf);
  const currentMetrics = take(CURRENT, (value) =>
    listOf<FirstStatus>("MetricStatus", value).map(statusOf),
  );
  const conditions = take(CONDITIONS, (value) =>
    listOf<HorizontalPodAutoscalerCondition>("HorizontalPodAutoscalerCondition", value),
  );
  for (const name of DROPPED) delete rest[name];
  return {
    rest,
    said: {
      ...(metrics && { metrics }),
      ...(behavior && { behavior }),
      ...(currentMetrics && { currentMetrics }),
      ...(conditions && { conditions }),
    },
  };
}

/** The annotations with all that version 1 has no fields for. */
export function writeAnnotations(
  annotations: Annotations | undefined,
  { metrics = [], behavior, currentMetrics = [], conditions = [] }: Annotated,
): Record<string, string> {
  const { rest } = readAnnotations(annotations);
  const put = (name: string, values: readonly unknown[]) => {
    if (values.length > 0) rest[name] = JSON.stringify(values);
  };
  const targets = metrics.map((each) => firstForm(each, "target"));
  const current = currentMetrics.map((each) => firstForm(each, "current"));
  put(METRICS, targets);
  put(CURRENT, current);
  if (behavior) {
    const { scaleUp, scaleDown } = behavior;
    const both = { ScaleUp: internalRules(scaleUp), ScaleDown: internalRules(scaleDown) };
    rest[BEHAVIOR] = JSON.stringify(both);
  }
  put(CONDITIONS, conditions);
  return rest;
}

/** Invalid annotations are ignored, as upstream does. */
function readJson<T>(text: string, read: (value: unknown) => T): T | undefined {
  try {
    return read(JSON.parse(text) as unknown);
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof CodedError) return undefined;
    throw thrown;
  }
}

function listOf<T extends object>(type: string, value: unknown): T[] {
  if (!Array.isArray(value)) throw new CodedError("NoList", "an annotation holds no list");
  return value.map((each: object) => decodeJson<T>(`autoscaling/v1.${type}`, each).object);
}

type Identified = { metric: MetricIdentifier };

const identifier = (name: string, selector: LabelSelector | undefined): Identified => ({
  metric: { name, ...(selector && { selector }) },
});

const target = (
  type: string,
  { value, averageValue, averageUtilization }: Partial<MetricTarget>,
): { target: MetricTarget } => ({
  target: {
    type: type as MetricTarget["type"],
    ...(value !== undefined && { value }),
    ...(averageValue !== undefined && { averageValue }),
    ...(averageUtilization !== undefined && { averageUtilization }),
  },
});

/** The form in version 1 of what a metric has for a target, or has now. */
function firstForm(metric: MetricSpec | MetricStatus, side: "target" | "current") {
  const { type, object, pods, resource, containerResource, external } = metric;
  const amounts = (of: object) => (of as Readonly<Record<string, Partial<MetricTarget>>>)[side]!;
  // Amounts of a status are no pointers in version 1.
  const none = side === "current" ? "0" : undefined;
  const share = (of: object) => ({
    [`${side}AverageUtilization`]: amounts(of).averageUtilization,
    [`${side}AverageValue`]: amounts(of).averageValue ?? none,
  });
  return {
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric.name,
      [`${side}Value`]: amounts(object).value ?? "0",
      selector: object.metric.selector,
      averageValue: amounts(object).averageValue,
    },
    pods: pods && {
      metricName: pods.metric.name,
      [`${side}AverageValue`]: amounts(pods).averageValue ?? "0",
      selector: pods.metric.selector,
    },
    resource: resource && { name: resource.name, ...share(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      ...share(containerResource),
      container: containerResource.container,
    },
    external: external && {
      metricName: external.metric.name,
      metricSelector: external.metric.selector,
      [`${side}Value`]: amounts(external).value ?? none,
      [`${side}AverageValue`]: amounts(external).averageValue,
    },
  };
}

function specOf({ type, object, pods, resource, containerResource, external }: FirstSpec) {
  const share = (averageUtilization: number | undefined, averageValue: string | undefined) =>
    target(averageUtilization === undefined ? "AverageValue" : "Utilization", {
      averageUtilization,
      averageValue,
    });
  return {
    type,
    ...(object && {
      object: {
        describedObject: object.target,
        ...identifier(object.metricName, object.selector),
        ...objectTarget(object),
      },
    }),
    ...(pods && {
      pods: {
        ...identifier(pods.metricName, pods.selector),
        ...target("AverageValue", { averageValue: pods.targetAverageValue }),
      },
    }),
    ...(resource && {
      resource: {
        name: resource.name,
        ...share(resource.targetAverageUtilization, resource.targetAverageValue),
      },
    }),
    ...(containerResource && {
      containerResource: {
        name: containerResource.name,
        ...share(containerResource.targetAverageUtilization, containerResource.targetAverageValue),
        container: containerResource.container,
      },
    }),
    ...(external && {
      external: {
        ...identifier(external.metricName, external.metricSelector),
        ...target(external.targetValue === undefined ? "AverageValue" : "Value", {
          value: external.targetValue,
          averageValue: external.targetAverageValue,
        }),
      },
    }),
  } as MetricSpec;
}

/** A value of 0 beside an average is one that version 1 could not leave away. */
function objectTarget({ targetValue: value, averageValue }: NonNullable<FirstSpec["object"]>): {
  target: MetricTarget;
} {
  if (averageValue === undefined) return target("Value", { value });
  const isZero = parseQuantity(value).nanos === 0n;
  return target("AverageValue", { averageValue, ...(isZero ? {} : { value }) });
}

function statusOf({
  type,
  object,
  pods,
  resource,
  containerResource,
  external,
}: FirstStatus): MetricStatus {
  const share = (averageUtilization: number | undefined, averageValue: string) => ({
    current: { averageValue, ...(averageUtilization !== undefined && { averageUtilization }) },
  });
  const amounts = (value: string, averageValue: string | undefined) => ({
    current: { value, ...(averageValue !== undefined && { averageValue }) },
  });
  return {
    type,
    ...(object && {
      object: {
        ...identifier(object.metricName, object.selector),
        ...amounts(object.currentValue, object.averageValue),
        describedObject: object.target,
      },
    }),
    ...(pods && {
      pods: {
        ...identifier(pods.metricName, pods.selector),
        current: { averageValue: pods.currentAverageValue },
      },
    }),
    ...(resource && {
      resource: {
        name: resource.name,
        ...share(resource.currentAverageUtilization, resource.currentAverageValue),
      },
    }),
    ...(containerResource && {
      containerResource: {
        name: containerResource.name,
        ...share(
          containerResource.currentAverageUtilization,
          containerResource.currentAverageValue,
        ),
        container: containerResource.container,
      },
    }),
    ...(external && {
      external: {
        ...identifier(external.metricName, external.metricSelector),
        ...amounts(external.currentValue, external.currentAverageValue),
      },
    }),
  };
}

function internalRules(rules: HPAScalingRules | undefined): object | null {
  if (rules === undefined) return null;
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = rules;
  return {
    StabilizationWindowSeconds: stabilizationWindowSeconds ?? null,
    SelectPolicy: selectPolicy ?? null,
    Policies:
      policies?.map(({ type, value, periodSeconds }) => ({
        Type: type,
        Value: value,
        PeriodSeconds: periodSeconds,
      })) ?? null,
    Tolerance: tolerance ?? null,
  };
}

const BEHAVIOR_TYPE = "autoscaling/v2.HorizontalPodAutoscalerBehavior";

/** Go reads the names of fields in any case. */
function behaviorOf(value: unknown): HorizontalPodAutoscalerBehavior | undefined {
  const { object } = decodeJson<HorizontalPodAutoscalerBehavior>(
    BEHAVIOR_TYPE,
    withFieldNames(value) as object,
  );
  return Object.keys(object).length === 0 ? undefined : object;
}

const FIELDS = new Map(
  [
    "scaleUp",
    "scaleDown",
    "stabilizationWindowSeconds",
    "selectPolicy",
    "policies",
    "tolerance",
    "type",
    "value",
    "periodSeconds",
  ].map((name) => [name.toLowerCase(), name]),
);

/** Depth of a behavior: its rules, their policies as a list, and a policy's fields. */
const BEHAVIOR_DEPTH_MAX = 5;

/** Reads no deeper than fields lie: the annotation may be a client's own, of any depth. */
function withFieldNames(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > BEHAVIOR_DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((each) => withFieldNames(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      FIELDS.get(name.toLowerCase()) ?? name,
      withFieldNames(each, depth + 1),
    ]),
  );
}
