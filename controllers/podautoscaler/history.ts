import type {
  HorizontalPodAutoscalerBehavior,
  HPAScalingRules,
} from "@raft2kube/api/gen/autoscaling/v2.ts";

/** A recommendation and its time, before stabilization. */
type Recommendation = { readonly replicas: number; readonly time_ms: number };

/** A change of the number of replicas, with its time. */
type ScaleEvent = { readonly change: number; readonly time_ms: number };

/**
 * The previous decisions for one autoscaler. In memory alone: after a restart a window starts with
 * the replicas that are there, as in upstream.
 */
export interface History {
  readonly recommendations: readonly Recommendation[];
  readonly ups: readonly ScaleEvent[];
  readonly downs: readonly ScaleEvent[];
}

export function beginHistory(replicas: number, time_ms: number): History {
  return { recommendations: [{ replicas, time_ms }], ups: [], downs: [] };
}

/** A number of replicas, and why it is not what the metrics ask for, if it is not. */
export interface Limited {
  readonly replicas: number;
  readonly reason: string;
  readonly message: string;
}

const HIGHEST =
  "recent recommendations were higher than current one, applying the highest " +
  "recent recommendation";
const LOWEST =
  "recent recommendations were lower than current one, applying the lowest recent " +
  "recommendation";

/** The stabilization windows of an autoscaler. */
export type Windows = { readonly up_ms: number; readonly down_ms: number };

/** The highest of the recommendations within the window of scaling down. */
export function stabilizeDown(
  { recommendations }: History,
  desired: number,
  window_ms: number,
  now_ms: number,
): Limited {
  const recent = recommendations.filter(({ time_ms }) => time_ms >= now_ms - window_ms);
  const replicas = Math.max(desired, ...recent.map((each) => each.replicas));
  return { replicas, reason: "ScaleDownStabilized", message: HIGHEST };
}

/** Nearest to the replicas there are that both windows' recommendations allow. */
export function stabilize(
  { recommendations }: History,
  desired: number,
  current: number,
  { up_ms, down_ms }: Windows,
  now_ms: number,
): Limited {
  const since = (window_ms: number) =>
    recommendations
      .filter(({ time_ms }) => time_ms > now_ms - window_ms)
      .map(({ replicas }) => replicas);
  const low = Math.min(desired, ...since(up_ms));
  const high = Math.max(desired, ...since(down_ms));
  const replicas = Math.min(Math.max(current, low), high);
  return desired >= current
    ? { replicas, reason: "ScaleUpStabilized", message: LOWEST }
    : { replicas, reason: "ScaleDownStabilized", message: HIGHEST };
}

/** Adds a recommendation, and drops those that no window reaches. */
export function recommend(
  history: History,
  replicas: number,
  { up_ms, down_ms }: Windows,
  now_ms: number,
): History {
  const since_ms = now_ms - Math.max(up_ms, down_ms);
  const kept = history.recommendations.filter(({ time_ms }) => time_ms >= since_ms);
  return { ...history, recommendations: [...kept, { replicas, time_ms: now_ms }] };
}

/** Adds a change of the replicas; only policies look at them. */
export function rescaled(
  history: History,
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  from: number,
  to: number,
  now_ms: number,
): History {
  if (behavior === undefined) return history;
  const isUp = to > from;
  const rules = isUp ? behavior.scaleUp : behavior.scaleDown;
  const period_s = Math.max(0, ...(rules?.policies ?? []).map((each) => each.periodSeconds));
  const before = isUp ? history.ups : history.downs;
  const kept = before.filter(({ time_ms }) => time_ms >= now_ms - period_s * 1e3);
  const events = [...kept, { change: Math.abs(to - from), time_ms: now_ms }];
  return isUp ? { ...history, ups: events } : { ...history, downs: events };
}

function changeWithin(events: readonly ScaleEvent[], period_s: number, now_ms: number): number {
  const recent = events.filter(({ time_ms }) => time_ms > now_ms - period_s * 1e3);
  return recent.reduce((sum, { change }) => sum + change, 0);
}

/** The most replicas that the rules of scaling up allow now. */
export function scaleUpLimit(
  history: History,
  current: number,
  rules: HPAScalingRules,
  now_ms: number,
): number {
  return limitOf(history, current, rules, now_ms, {
    pods: (start, value) => start + value,
    // Rounded up: what grows must be able to.
    percent: (start, value) => Math.ceil(start * (1 + value / 100)),
    select: rules.selectPolicy === "Min" ? Math.min : Math.max,
  });
}

/** The least replicas that the rules of scaling down allow now. */
export function scaleDownLimit(
  history: History,
  current: number,
  rules: HPAScalingRules,
  now_ms: number,
): number {
  return limitOf(history, current, rules, now_ms, {
    pods: (start, value) => start - value,
    percent: (start, value) => Math.trunc(start * (1 - value / 100)),
    select: rules.selectPolicy === "Min" ? Math.max : Math.min,
  });
}

interface Direction {
  pods(start: number, value: number): number;
  percent(start: number, value: number): number;
  select(...limits: number[]): number;
}

/** Each policy counts from the replicas at the start of its period. */
function limitOf(
  { ups, downs }: History,
  current: number,
  { selectPolicy, policies = [] }: HPAScalingRules,
  now_ms: number,
  { pods, percent, select }: Direction,
): number {
  if (selectPolicy === "Disabled") return current;
  // Counted once for each period: there may be 30,000 policies.
  const starts = new Map<number, number>();
  const startOf = (period_s: number) => {
    const start =
      starts.get(period_s) ??
      current - changeWithin(ups, period_s, now_ms) + changeWithin(downs, period_s, now_ms);
    starts.set(period_s, start);
    return start;
  };
  return select(
    ...policies.map(({ type, value, periodSeconds }) => {
      const start = startOf(periodSeconds);
      return type === "Pods" ? pods(start, value) : percent(start, value);
    }),
  );
}
