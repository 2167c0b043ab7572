import { formatDuration } from "@raft2kube/api/duration.ts";
import type { ResourceList } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/api/time.ts";
import { ownText } from "@raft2kube/std/bytes.ts";
import { LABEL_LENGTH_MAX } from "@raft2kube/std/names.ts";
import { formatQuantity } from "@raft2kube/std/quantity.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { METRICS_CONTAINERS_MAX, METRICS_FRESH_MS, METRICS_INTERVAL_MS } from "../../limits.ts";
import { samplesOf } from "./exposition.ts";

/** The usage of a node or container at one time. */
export interface Point {
  readonly time_ms: number;
  /** When the container was started, 0 for nodes. */
  readonly start_ms: number;
  /** Processor time since then. */
  readonly cpu_ns: number;
  readonly memory_bytes: number;
}

/** The containers of one pod by name. */
export type PodPoints = ReadonlyMap<string, Point>;

/** One scrape of a kubelet: the node, and its pods by `namespace/name`. */
export interface NodePoints {
  readonly node: Point | undefined;
  readonly pods: ReadonlyMap<string, PodPoints>;
}

/** Two scrapes of a kubelet. Usage is what lies between them. */
export type Window = { readonly last: NodePoints; readonly before: NodePoints };

/** Usage over a window, in the words of the API. */
export interface Usage {
  readonly timestamp_ms: number;
  readonly timestamp: string;
  readonly window: string;
  readonly usage: ResourceList;
}

const NODE_CPU = "node_cpu_usage_seconds_total";
const NODE_MEMORY = "node_memory_working_set_bytes";
const CPU = "container_cpu_usage_seconds_total";
const MEMORY = "container_memory_working_set_bytes";
const START = "container_start_time_seconds";
const NAMES = new Set([NODE_CPU, NODE_MEMORY, CPU, MEMORY, START]);

/** The largest number of an int64, by which metrics-server keeps amounts and nanoseconds. */
const INT64_MAX = 2 ** 63;

type Building = { -readonly [K in keyof Point]?: Point[K] };

/**
 * Reads the body of `/metrics/resource`; `now_ms` is the time of samples that have none. A pod of
 * which a container lacks processor time or memory is left out, as by metrics-server: a part of it
 * would read as little use. A node may send megabytes: they are read in slices.
 */
export async function readPoints(
  text: string,
  now_ms: number,
  slices = new Slices(),
): Promise<NodePoints> {
  const node: Building = {};
  const pods = new Map<string, Map<string, Building>>();
  let containers = 0;
  for (const sample of samplesOf(text, NAMES)) {
    if (slices.due) await slices.pause();
    if (sample === undefined) continue;
    const { name, labels, value, time_ms = now_ms } = sample;
    // Also false for NaN. Numbers beyond are no answer's: neither clients nor BigInt take them.
    if (!(value >= 0 && value < INT64_MAX && time_ms >= 0 && time_ms * 1e6 < INT64_MAX)) continue;
    const isNode = name === NODE_CPU || name === NODE_MEMORY;
    const container = labels["container"] ?? "";
    // None has such a name, and PodMetrics with 10,000 of them are megabytes of one turn.
    if (container.length > LABEL_LENGTH_MAX) continue;
    const key = `${labels["namespace"]}/${labels["pod"]}`;
    const pod = isNode ? undefined : (pods.get(key) ?? new Map<string, Building>());
    if (pod) pods.set(key, pod);
    const known = pod ? pod.get(container) : node;
    if (known === undefined && ++containers > METRICS_CONTAINERS_MAX) break;
    const point = known ?? {};
    if (known === undefined) pod?.set(ownText(container), point);
    if (name === START) point.start_ms = value * 1e3;
    else {
      point.time_ms = time_ms;
      if (name === CPU || name === NODE_CPU) point.cpu_ns = value * 1e9;
      else point.memory_bytes = value;
    }
  }
  const whole = [...pods].flatMap(([key, points]) => {
    const measured = [...points].flatMap(([name, each]) => {
      // Only its start is known of a container that has not run long enough to be measured.
      if (each.cpu_ns === undefined && each.memory_bytes === undefined) return [];
      return [[name, pointOf(each)] as const];
    });
    const complete = measured.flatMap(([name, each]) => (each ? [[name, each] as const] : []));
    return complete.length === measured.length && complete.length > 0
      ? [[key, new Map(complete)] as const]
      : [];
  });
  return { node: pointOf(node), pods: new Map(whole) };
}

function pointOf({ time_ms, start_ms = 0, cpu_ns, memory_bytes }: Building): Point | undefined {
  if (time_ms === undefined || !cpu_ns || !memory_bytes) return undefined;
  return { time_ms, start_ms, cpu_ns, memory_bytes };
}

const NOTHING: NodePoints = { node: undefined, pods: new Map() };

/**
 * The window after another scrape. A container that was not measured again keeps its former point.
 * A container that was restarted starts again; a fresh one is measured from its start, when it has
 * run for METRICS_FRESH_MS (metrics-server's rule).
 */
export function nextWindow(window: Window | undefined, last: NodePoints): Window {
  const { last: older, before } = window ?? { last: NOTHING, before: NOTHING };
  const pods = new Map<string, PodPoints>();
  for (const [key, points] of last.pods) {
    const earlier = new Map<string, Point>();
    for (const [name, point] of points) {
      const found =
        fresh(point) ??
        earlierOf(point, older.pods.get(key)?.get(name), before.pods.get(key)?.get(name));
      if (found) earlier.set(name, found);
    }
    if (earlier.size > 0) pods.set(key, earlier);
  }
  const node = last.node && earlierOf(last.node, older.node, before.node);
  return { last, before: { node, pods } };
}

function fresh(point: Point): Point | undefined {
  const age_ms = point.time_ms - point.start_ms;
  if (point.start_ms === 0 || age_ms < METRICS_FRESH_MS || age_ms >= METRICS_INTERVAL_MS) {
    return undefined;
  }
  return { ...point, time_ms: point.start_ms, cpu_ns: 0 };
}

/** The newest of two earlier points that lies before `point`, in the same run. */
function earlierOf(
  point: Point,
  last: Point | undefined,
  before: Point | undefined,
): Point | undefined {
  if (last === undefined || point.start_ms >= last.time_ms) return undefined;
  if (point.time_ms > last.time_ms) return last;
  return before && before.time_ms < point.time_ms ? before : undefined;
}

/** Returns the usage between two points; undefined if a counter decreased. */
export function usageBetween(last: Point, before: Point): Usage | undefined {
  if (last.start_ms < before.start_ms || last.cpu_ns < before.cpu_ns) return undefined;
  const window_ms = last.time_ms - before.time_ms;
  const nanoCores = BigInt(Math.floor((last.cpu_ns - before.cpu_ns) / (window_ms / 1e3)));
  const memory = BigInt(Math.floor(last.memory_bytes)) * 1_000_000_000n;
  return {
    timestamp_ms: last.time_ms,
    timestamp: timeOf(last.time_ms),
    window: formatDuration(BigInt(Math.round(window_ms * 1e6))),
    usage: {
      cpu: formatQuantity({ nanos: nanoCores, format: "decimal" }),
      memory: formatQuantity({ nanos: memory, format: "binary" }),
    },
  };
}

/** Returns a node's usage; undefined without two points. */
export function nodeUsage({ last, before }: Window): Usage | undefined {
  return last.node && before.node ? usageBetween(last.node, before.node) : undefined;
}

/** Returns the usage of a pod's containers by name; undefined unless each has two points. */
export function podUsage({ last, before }: Window, key: string): Map<string, Usage> | undefined {
  const earlier = before.pods.get(key);
  const points = last.pods.get(key);
  if (points === undefined || earlier === undefined) return undefined;
  const usages = new Map<string, Usage>();
  for (const [name, point] of points) {
    const first = earlier.get(name);
    if (first === undefined) return undefined;
    const usage = usageBetween(point, first);
    if (usage) usages.set(name, usage);
  }
  return usages.size > 0 ? usages : undefined;
}
