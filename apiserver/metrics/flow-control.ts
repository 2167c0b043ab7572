import { claimOf } from "@raft2kube/fairness/borrow.ts";
import type { Fairness, Flow } from "@raft2kube/fairness/fairness.ts";
import type { Level } from "@raft2kube/fairness/level.ts";
import type { FlowMetrics, Ticket } from "@raft2kube/fairness/queue.ts";
import {
  addMetric,
  type Counter,
  familiesOf,
  type HistogramFamily,
  type Sample,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { type Labels, typeOf } from "./families.ts";

const LENGTH_BOUNDS = [0, 10, 25, 50, 100, 250, 500, 1000];
const DURATION_BOUNDS_S = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const WATCHER_BOUNDS = [0, 1, 10, 100, 1_000, 10_000];
const SEAT_BOUNDS = [1, 2, 4, 10];

const HISTOGRAMS = {
  request_queue_length_after_enqueue: ["Requests in a queue that a request enters.", LENGTH_BOUNDS],
  watch_count_samples: ["Watchers that a write's event goes to.", WATCHER_BOUNDS],
  work_estimated_seats: ["Seats that requests were estimated to need.", SEAT_BOUNDS],
  request_wait_duration_seconds: ["Time in a queue.", DURATION_BOUNDS_S],
  request_execution_seconds: ["Time of work, of a watch until it has started.", DURATION_BOUNDS_S],
} as const;

export type RequestKind = "readOnly" | "mutating";
type Phase = "executing" | "waiting";

/** Priority and fairness, under upstream's names (flowcontrol/metrics). */
export class FlowControlMetrics {
  readonly #families: Readonly<Record<string, HistogramFamily>>;
  readonly #requests: Record<Phase, Record<RequestKind, Counter>>;

  /** `executing` counts requests that are worked on, by kind. */
  constructor(registry: Registry, executing: Record<RequestKind, Counter>, fairness: Fairness) {
    showFlowControl(registry, fairness);
    const { histogram, gauge } = familiesOf(registry);
    const families = Object.entries(HISTOGRAMS).map(
      ([name, [help, bounds]]) => [name, histogram(fullName(name), help, bounds)] as const,
    );
    this.#families = Object.fromEntries(families);
    const queued = gauge("apiserver_current_inqueue_requests", "Requests in queues, by kind.");
    const of = (request_kind: RequestKind) => queued.of({ request_kind });
    this.#requests = { executing, waiting: { readOnly: of("readOnly"), mutating: of("mutating") } };
  }

  /** Counts one request of a kind more in a phase, or one less. */
  count(kind: RequestKind, phase: Phase, by: 1 | -1): void {
    this.#requests[phase][kind].add(by);
  }

  /** A request has its seats or is in a queue; `watchers` get its event. */
  arrived(flow: Flow, { queue, state, width }: Ticket, watchers: number | undefined): void {
    this.#observe("work_estimated_seats", flow, width);
    if (watchers !== undefined) this.#observe("watch_count_samples", flow, watchers);
    const length = (queue?.waiting ?? 0) + (state === "waiting" ? 0 : 1);
    if (queue) this.#observe("request_queue_length_after_enqueue", flow, length);
  }

  waited(flow: Flow, execute: boolean, seconds: number): void {
    const more = { execute: String(execute) };
    this.#observe("request_wait_duration_seconds", flow, seconds, more);
  }

  worked(flow: Flow, isWatch: boolean, seconds: number): void {
    const more = { type: isWatch ? "watch" : "regular" };
    this.#observe("request_execution_seconds", flow, seconds, more);
  }

  #observe(
    name: keyof typeof HISTOGRAMS,
    { schema, level }: Flow,
    value: number,
    more: Labels = {},
  ): void {
    const labels = { flow_schema: schema.name, priority_level: level.name, ...more };
    this.#families[name]!.of(labels).observe(value);
  }
}

const fullName = (name: string): string => `apiserver_flowcontrol_${name}`;

/** Numbers by their names, each with a help text. */
type Numbers<T> = Readonly<Record<string, readonly [help: string, value: (of: T) => number]>>;

const OF_LEVELS: Numbers<Level> = {
  nominal_limit_seats: ["Configured seats.", ({ seats }) => seats.nominal],
  request_concurrency_limit: ["The same, by its older name.", ({ seats }) => seats.nominal],
  lower_limit_seats: ["Seats that are not lent.", ({ seats }) => seats.least],
  upper_limit_seats: ["Seats with all that may be borrowed.", ({ seats }) => seats.most],
  current_limit_seats: ["Seats now.", ({ current }) => current],
  demand_seats_high_watermark: ["Most seats asked for lately.", ({ demand }) => demand.most],
  demand_seats_average: ["Average of seats asked for lately.", ({ demand }) => demand.average],
  demand_seats_stdev: ["Their standard deviation.", ({ demand }) => demand.deviation],
  demand_seats_smoothed: ["Seats asked for, smoothed.", ({ demand }) => demand.smoothed],
  target_seats: ["Seats it should have, before all are divided.", (level) => claimOf(level).target],
};

const OF_FLOWS: Numbers<FlowMetrics> = {
  current_inqueue_requests: ["Requests in queues.", (flow) => flow.waiting],
  current_inqueue_seats: ["Seats that those wait for.", (flow) => flow.seatsWaiting],
  current_executing_requests: ["Requests worked on.", (flow) => flow.executing],
  current_executing_seats: ["Seats taken.", (flow) => flow.seatsInUse],
  request_concurrency_in_use: ["The same, by its older name.", (flow) => flow.seatsInUse],
  dispatched_requests_total: ["Requests that were worked on.", (flow) => flow.dispatched],
  request_dispatch_no_accommodation_total: [
    "Times that the next request had to wait for its seats.",
    (flow) => flow.notAccommodated,
  ],
};

/** Shows what the levels count, when the metrics are read. */
function showFlowControl(registry: Registry, fairness: Fairness): void {
  const add = (of: string, help: string, samples: () => Sample[]) =>
    addMetric(registry, { name: fullName(of), type: typeOf(of), help }, samples);
  for (const [name, [help, value]] of Object.entries(OF_LEVELS)) {
    add(name, help, () =>
      fairness.levels.map((level) => ({ labels: labelsOf(level), value: value(level) })),
    );
  }
  for (const [name, [help, value]] of Object.entries(OF_FLOWS)) {
    add(name, help, () =>
      flowsOf(fairness).map(({ labels, flow }) => ({ labels, value: value(flow) })),
    );
  }
  add("rejected_requests_total", "Requests refused.", () =>
    flowsOf(fairness).flatMap(({ labels, flow }) =>
      [...flow.refused].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
    ),
  );
  add("seat_fair_frac", "Factor of demands by which seats were divided.", () => [
    { labels: {}, value: fairness.lentBy },
  ]);
}

const labelsOf = ({ name }: Level): Labels => ({ priority_level: name });

const flowsOf = ({ levels }: Fairness) =>
  levels.flatMap((level) =>
    [...level.queueSet.flows].map(([schema, flow]) => ({
      labels: { flow_schema: schema, ...labelsOf(level) },
      flow,
    })),
  );
