import { addMetric, exponentialBounds, familiesOf } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { QueueObserver } from "@raft2kube/reconcile/workqueue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

const BOUNDS_S = exponentialBounds(1e-8, 10, 10);

interface Followed {
  readonly name: string;
  /** Times at which workers took each key, by the monotonic clock. */
  readonly taken_ms: Map<string, number>;
  readonly added_ms: Map<string, number>;
}

/** The work queues of all controllers, as client-go shows them. */
export class QueueMetrics {
  readonly #clock: Clock;
  readonly #followed: Followed[] = [];
  readonly #families: ReturnType<typeof declare>;

  constructor(registry: Registry, clock: Clock) {
    this.#clock = clock;
    this.#families = declare(registry);
    const gauge = (name: string, help: string, value: (queue: Followed) => number) =>
      addMetric(registry, { name: `workqueue_${name}`, help, type: "gauge" }, () =>
        this.#followed.map((queue) => ({ labels: { name: queue.name }, value: value(queue) })),
      );
    gauge("depth", "Keys that wait for a worker.", ({ added_ms }) => added_ms.size);
    gauge(
      "unfinished_work_seconds",
      "Seconds that workers have had their present keys, together.",
      (queue) => this.#ages_s(queue).reduce((sum, age_s) => sum + age_s, 0),
    );
    gauge(
      "longest_running_processor_seconds",
      "The longest that a worker has had its present key.",
      (queue) => Math.max(0, ...this.#ages_s(queue)),
    );
  }

  /** Follows a queue. Queues of one name are shown as one, as upstream's. */
  follow(name: string): QueueObserver {
    const labels = { name };
    const adds = this.#families.adds.of(labels);
    const retries = this.#families.retries.of(labels);
    const waits = this.#families.waits.of(labels);
    const works = this.#families.works.of(labels);
    const known = this.#followed.find((each) => each.name === name);
    const queue = known ?? { name, taken_ms: new Map(), added_ms: new Map() };
    if (!known) this.#followed.push(queue);
    const since_s = (times: Map<string, number>, key: string) => {
      const at_ms = times.get(key);
      times.delete(key);
      return at_ms === undefined ? undefined : (this.#clock.monotonic() - at_ms) / 1_000;
    };
    return {
      added: (key) => {
        adds.add();
        queue.added_ms.set(key, this.#clock.monotonic());
      },
      taken: (key) => {
        const waited_s = since_s(queue.added_ms, key);
        if (waited_s !== undefined) waits.observe(waited_s);
        queue.taken_ms.set(key, this.#clock.monotonic());
      },
      done: (key) => {
        const worked_s = since_s(queue.taken_ms, key);
        if (worked_s !== undefined) works.observe(worked_s);
      },
      delayed: () => retries.add(),
    };
  }

  #ages_s({ taken_ms }: Followed): number[] {
    const now_ms = this.#clock.monotonic();
    return [...taken_ms.values()].map((at_ms) => (now_ms - at_ms) / 1_000);
  }
}

function declare(registry: Registry) {
  const { counter, histogram } = familiesOf(registry);
  return {
    adds: counter("workqueue_adds_total", "Keys that were added."),
    retries: counter("workqueue_retries_total", "Keys that were added to come after a delay."),
    waits: histogram(
      "workqueue_queue_duration_seconds",
      "How long keys waited for a worker.",
      BOUNDS_S,
    ),
    works: histogram("workqueue_work_duration_seconds", "How long workers had keys.", BOUNDS_S),
  };
}
