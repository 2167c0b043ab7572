import type { Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  metricName?: string;
  labels: Readonly<Record<string, string | number>>;
  /** The upper bound of a histogram's bucket, written after the labels. */
  le?: number | "+Inf";
  value: number;
  /** When it was measured, if that is not now. */
  time_ms?: number | undefined;
}

/** The metric's interface to the registry. */
interface Scraped {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): Promise<unknown>;
  reset(): void;
}

/** The metadata of a metric in Prometheus' text format. */
export interface MetricHead {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/** Adds a metric whose samples are computed at each scrape. */
export function addMetric(
  registry: Registry,
  head: MetricHead,
  samples: () => Sample[] | Promise<Sample[]>,
  reset: () => void = () => undefined,
): void {
  const aggregator = "sum";
  const metric: Scraped = {
    ...{ ...head, aggregator, reset },
    get: async () => ({ ...head, aggregator, values: await samples() }),
  };
  registry.registerMetric(metric as never);
}

/** One time series of a family of counters, or of gauges, whose value may fall too. */
export class Counter {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

/** Time series of one name by their labels, which are encoded at a scrape. */
class Family<T> {
  readonly #make: () => T;
  readonly #known = new Map<string, { labels: Labels; series: T }>();

  constructor(make: () => T) {
    this.#make = make;
  }

  /** Returns the time series with these labels; callers keep it. */
  of(labels: Labels = {}): T {
    const key = JSON.stringify(labels);
    const known = this.#known.get(key);
    if (known) return known.series;
    const series = this.#make();
    this.#known.set(key, { labels, series });
    return series;
  }

  /** Shows the time series with these labels no more. */
  delete(labels: Labels): void {
    this.#known.delete(JSON.stringify(labels));
  }

  /** Shows no more the time series that have these labels, and others besides. */
  forget(labels: Labels): void {
    for (const [key, { labels: all }] of this.#known) {
      if (Object.entries(labels).every(([name, value]) => all[name] === value)) {
        this.#known.delete(key);
      }
    }
  }

  protected clear(): void {
    this.#known.clear();
  }

  protected all(samplesOf: (series: T, labels: Labels) => Sample | Sample[]): Sample[] {
    return [...this.#known.values()].flatMap(({ labels, series }) => samplesOf(series, labels));
  }
}

/** Numbers of one name: an increment adds to one that its caller has. */
class NumberFamily extends Family<Counter> {
  constructor(registry: Registry, head: MetricHead) {
    super(() => new Counter());
    const samples = () => this.all(({ value }, labels) => ({ labels, value }));
    addMetric(registry, head, samples, () => this.clear());
  }
}

export class CounterFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, { name, help, type: "counter" });
  }
}

export class GaugeFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, { name, help, type: "gauge" });
  }
}

/** One time series of a family of histograms. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #buckets: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#buckets = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#buckets[bucket]! += times;
    this.#sum += value * times;
  }

  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = [];
    let total = 0;
    this.#buckets.forEach((count, i) => {
      total += count;
      const le = this.#bounds[i] ?? "+Inf";
      samples.push({ metricName: `${name}_bucket`, labels, le, value: total });
    });
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum });
    samples.push({ metricName: `${name}_count`, labels, value: total });
    return samples;
  }
}

/** Histograms of one name. */
export class HistogramFamily extends Family<Histogram> {
  /** `bounds` are the upper bounds of the buckets, ascending. */
  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    super(() => new Histogram(bounds));
    const samples = () => this.#samples(name);
    addMetric(registry, { name, help, type: "histogram" }, samples, () => this.clear());
  }

  /** Exposes the same samples under a second, older name. */
  alsoAs(registry: Registry, name: string, help: string): this {
    addMetric(registry, { name, help, type: "histogram" }, () => this.#samples(name));
    return this;
  }

  #samples(name: string): Sample[] {
    return this.all((histogram, labels) => histogram.samples(name, labels));
  }
}

/** Returns `count` bounds, each `factor` times the previous one. */
export function exponentialBounds(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first * factor ** i);
}

/** The upper bounds of Prometheus' libraries, in seconds. */
export const DEFAULT_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Records an event of some labels that took so long. */
export type Timed = (labels: Labels, seconds: number) => void;

/** Metrics of one area, which a derived class declares as its fields. */
export class MetricArea {
  readonly registry: Registry;
  protected readonly counter: (name: string, help: string) => CounterFamily;
  protected readonly gauge: (name: string, help: string) => GaugeFamily;
  protected readonly histogram: (
    name: string,
    help: string,
    bounds: readonly number[],
  ) => HistogramFamily;

  constructor(registry: Registry) {
    this.registry = registry;
    ({
      counter: this.counter,
      gauge: this.gauge,
      histogram: this.histogram,
    } = familiesOf(registry));
  }
}

/** Counts and times the same events, by the same labels. */
export function timedBy(counters: CounterFamily, durations: HistogramFamily): Timed {
  return (labels, seconds) => {
    counters.of(labels).add();
    durations.of(labels).observe(seconds);
  };
}

/** Declares the families of a registry: a name and a help text each. */
export const familiesOf = (registry: Registry) => ({
  counter: (name: string, help: string) => new CounterFamily(registry, name, help),
  gauge: (name: string, help: string) => new GaugeFamily(registry, name, help),
  histogram: (name: string, help: string, bounds: readonly number[]) =>
    new HistogramFamily(registry, name, help, bounds),
});
