import { claimOf } from "@raft2kube/fairness/borrow.ts";
import type { Fairness, Flow } from "@raft2kube/fairness/fairness.ts";
import type { Level } from "@raft2kube/fairness/level.ts";
import { SERVICE_S } from "@raft2kube/fairness/limits.ts";
import type { FlowMetrics, Ticket } from "@raft2kube/fairness/queue.ts";
import {
  addMetric,
  type Counter,
  familiesOf,
  type Histogram,
  type HistogramFamily,
  type Sample,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Known, typeOf } from "./families.ts";
import { type RequestKind, Utilization } from "./flow-utilization.ts";

const QUEUE_BOUNDS = [0, 10, 25, 50, 100, 250, 500, 1000];
const DURATION_BOUNDS_S = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const WATCHER_BOUNDS = [0, 1, 10, 100, 1_000, 10_000];
const SEAT_BOUNDS = [1, 2, 4, 10];

const HISTOGRAMS = {
  queued: [
    "request_queue_length_after_enqueue",
    "Requests in a queue, as each that enters one finds it.",
    QUEUE_BOUNDS,
  ],
  watchers: ["watch_count_samples", "Watchers that a write's event goes to.", WATCHER_BOUNDS],
  seats: ["work_estimated_seats", "Seats that requests were estimated to need.", SEAT_BOUNDS],
  waited: ["request_wait_duration_seconds", "Time in a queue.", DURATION_BOUNDS_S],
  worked: [
    "request_execution_seconds",
    "Time of work, of a watch until it has started.",
    DURATION_BOUNDS_S,
  ],
} as const;

/** Priority and fairness, under upstream's names (flowcontrol/metrics). */
export class FlowControlMetrics {
  readonly #families: Readonly<Record<string, HistogramFamily>>;
  readonly #rows = new Known<Histogram>();
  readonly #executing: Record<RequestKind, Counter>;
  readonly #waiting: Record<RequestKind, Counter>;
  readonly #utilization: Utilization;

  /** `executing` counts requests that are worked on, by kind. */
  constructor(
    registry: Registry,
    executing: Record<RequestKind, Counter>,
    fairness: Fairness,
    clock: Clock,
  ) {
    showFlowControl(registry, fairness);
    this.#utilization = new Utilization(registry, fairness, clock);
    const { histogram, gauge } = familiesOf(registry);
    const families = Object.entries(HISTOGRAMS);
    this.#families = Object.fromEntries(
      families.map(([of, [name, help, bounds]]) => [
        of,
        histogram(`apiserver_flowcontrol_${name}`, help, bounds),
      ]),
    );
    this.#executing = executing;
    const waiting = gauge(
      "apiserver_current_inqueue_requests",
      "Requests in queues, by whether they write.",
    );
    this.#waiting = {
      readOnly: waiting.of({ request_kind: "readOnly" }),
      mutating: waiting.of({ request_kind: "mutating" }),
    };
  }

  executing(kind: RequestKind, by: 1 | -1): void {
    this.#executing[kind].add(by);
    this.#utilization.ofKind(kind, "executing", this.#executing[kind].value);
  }

  waiting(kind: RequestKind, by: 1 | -1): void {
    this.#waiting[kind].add(by);
    this.#utilization.ofKind(kind, "waiting", this.#waiting[kind].value);
  }

  /** A request has its seats or is in a queue; `watchers` get its event. */
  arrived(flow: Flow, { queue, state, width }: Ticket, watchers: number | undefined): void {
    this.#observe("seats", flow, width);
    if (watchers !== undefined) this.#observe("watchers", flow, watchers);
    const queued = state === "waiting" ? 0 : 1;
    if (queue) this.#observe("queued", flow, queue.waiting.size + queued);
  }

  waited(flow: Flow, execute: boolean, seconds: number): void {
    this.#observe("waited", flow, seconds, "execute", String(execute));
  }

  worked(flow: Flow, isWatch: boolean, seconds: number): void {
    this.#observe("worked", flow, seconds, "type", isWatch ? "watch" : "regular");
  }

  #observe(
    of: keyof typeof HISTOGRAMS,
    { schema, level }: Flow,
    value: number,
    label = "",
    text = "",
  ): void {
    this.#rows
      .of(`${of} ${level.name} ${schema.name} ${text}`, () =>
        this.#families[of]!.of({
          flow_schema: schema.name,
          priority_level: level.name,
          ...(label && { [label]: text }),
        }),
      )
      .observe(value);
  }
}

type Declared<T> = readonly [name: string, help: string, value: (of: T) => number];

const OF_LEVELS: readonly Declared<Level>[] = [
  ["nominal_limit_seats", "Configured seats.", ({ seats }) => seats.nominal],
  ["request_concurrency_limit", "The same, by its older name.", ({ seats }) => seats.nominal],
  ["lower_limit_seats", "Seats that are not lent.", ({ seats }) => seats.least],
  ["upper_limit_seats", "Seats with all that may be borrowed.", ({ seats }) => seats.most],
  ["current_limit_seats", "Seats now.", ({ current }) => current],
  [
    "demand_seats_high_watermark",
    "Most seats asked for, in the last interval.",
    ({ demand }) => demand.most,
  ],
  [
    "demand_seats_average",
    "Average of seats asked for, in the last interval.",
    ({ demand }) => demand.average,
  ],
  ["demand_seats_stdev", "Their standard deviation.", ({ demand }) => demand.deviation],
  ["demand_seats_smoothed", "Seats asked for, smoothed.", ({ demand }) => demand.smoothed],
  [
    "target_seats",
    "Seats that it should have, before all are divided.",
    (level) => claimOf(level).target,
  ],
  [
    "current_r",
    "Progress of the queues, in seat seconds.",
    ({ queueSet }) => queueSet.progress.current,
  ],
  ["dispatch_r", "The same at the last dispatch.", ({ queueSet }) => queueSet.progress.dispatch],
  [
    "latest_s",
    "Virtual start of the request dispatched last.",
    ({ queueSet }) => queueSet.progress.latest,
  ],
];

const OF_FLOWS: readonly Declared<FlowMetrics>[] = [
  ["current_inqueue_requests", "Requests in queues.", ({ waiting }) => waiting],
  ["current_inqueue_seats", "Seats that those wait for.", ({ waitingSeats }) => waitingSeats],
  ["current_executing_requests", "Requests worked on.", ({ executing }) => executing],
  ["current_executing_seats", "Seats taken.", ({ executingSeats }) => executingSeats],
  [
    "request_concurrency_in_use",
    "The same, by its older name.",
    ({ executingSeats }) => executingSeats,
  ],
  ["dispatched_requests_total", "Requests that were worked on.", ({ dispatched }) => dispatched],
  [
    "request_dispatch_no_accommodation_total",
    "Times that the next request had to wait for its seats.",
    ({ notAccommodated }) => notAccommodated,
  ],
];

/** Shows what the levels count, when the metrics are read. */
function showFlowControl(registry: Registry, fairness: Fairness): void {
  const add = (of: string, help: string, samples: () => Sample[]) => {
    const name = `apiserver_flowcontrol_${of}`;
    addMetric(registry, { name, type: typeOf(name), help }, samples);
  };
  for (const [name, help, value] of OF_LEVELS) {
    add(name, help, () =>
      fairness.levels.map((level) => ({
        labels: { priority_level: level.name },
        value: value(level),
      })),
    );
  }
  for (const [name, help, value] of OF_FLOWS) {
    add(name, help, () =>
      flowsOf(fairness).map(({ labels, flow }) => ({ labels, value: value(flow) })),
    );
  }
  add("rejected_requests_total", "Requests refused.", () =>
    flowsOf(fairness).flatMap(({ labels, flow }) =>
      [...flow.refused].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
    ),
  );
  for (const [name, help, shift_s] of [
    ["next_s_bounds", "Range of the virtual starts of the queues' oldest requests.", 0],
    [
      "next_discounted_s_bounds",
      "The same, less the work that the queues have seats for.",
      SERVICE_S,
    ],
  ] as const) {
    add(name, help, () =>
      fairness.levels.flatMap((level) => {
        const starts = [...level.queueSet.queues]
          .filter(({ oldest }) => oldest !== undefined)
          .map(({ next, seatsInUse }) => next - shift_s * seatsInUse);
        const of = (bound: string, value: number) => ({
          labels: { priority_level: level.name, bound },
          value,
        });
        return starts.length === 0
          ? []
          : [of("min", Math.min(...starts)), of("max", Math.max(...starts))];
      }),
    );
  }
  add("epoch_advance_total", "Times that virtual time went back, which it never does.", () => []);
  add("seat_fair_frac", "Factor of demands by which seats were divided.", () => [
    { labels: {}, value: fairness.lentBy },
  ]);
}

function flowsOf({ levels }: Fairness) {
  return levels.flatMap(({ name, queueSet }) =>
    [...queueSet.flows].map(([schema, flow]) => ({
      labels: { flow_schema: schema, priority_level: name },
      flow,
    })),
  );
}
