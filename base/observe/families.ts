import type { Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  metricName?: string;
  labels: Readonly<Record<string, string | number>>;
  /** The upper end of a histogram's bucket, which stands behind the labels. */
  le?: number | "+Inf";
  value: number;
}

/** What a registry asks of a metric when it is scraped. */
interface Scraped {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): Promise<unknown>;
  reset(): void;
}

/** What Prometheus' text says of a metric before its samples. */
export interface MetricHead {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/** A metric whose samples are made, or asked for, when it is scraped. */
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

/** One count of a family. */
export class Count {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

/** Numbers of one name: adding to one is adding to a number, labels are put on when asked for. */
class NumberFamily {
  readonly #counts = new Map<string, { labels: Labels; count: Count }>();

  constructor(registry: Registry, head: MetricHead) {
    const reset = () => this.#counts.clear();
    addMetric(registry, head, () => this.#samples(), reset);
  }

  #samples(): Sample[] {
    return [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count.value }));
  }

  /** The count with these labels, to be kept by who adds to it. */
  of(labels: Labels = {}): Count {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key);
    if (known) return known.count;
    const count = new Count();
    this.#counts.set(key, { labels, count });
    return count;
  }
}

/** Numbers that only grow. */
export class CounterFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, { name, help, type: "counter" });
  }
}

/** Numbers that go up and down. */
export class GaugeFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, { name, help, type: "gauge" });
  }
}

/** How values are spread over buckets. */
export class Spread {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Counts a value that came so many times. */
  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]! += times;
    this.#sum += value * times;
  }

  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = [];
    let total = 0;
    this.#counts.forEach((count, i) => {
      total += count;
      const le = this.#bounds[i] ?? "+Inf";
      samples.push({ metricName: `${name}_bucket`, labels, le, value: total });
    });
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum });
    samples.push({ metricName: `${name}_count`, labels, value: total });
    return samples;
  }
}

/** Histograms of one name, as cheap to add to. */
export class HistogramFamily {
  readonly #bounds: readonly number[];
  readonly #spreads = new Map<string, { labels: Labels; spread: Spread }>();

  /** `bounds` are the upper ends of the buckets, ascending. */
  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    this.#bounds = bounds;
    const reset = () => this.#spreads.clear();
    addMetric(registry, { name, help, type: "histogram" }, () => this.#samples(name), reset);
  }

  /** Shows the same under a second, older name. */
  alsoAs(registry: Registry, name: string, help: string): this {
    addMetric(registry, { name, help, type: "histogram" }, () => this.#samples(name));
    return this;
  }

  #samples(name: string): Sample[] {
    return [...this.#spreads.values()].flatMap(({ labels, spread }) =>
      spread.samples(name, labels));
  }

  of(labels: Labels = {}): Spread {
    const key = JSON.stringify(labels);
    const known = this.#spreads.get(key);
    if (known) return known.spread;
    const spread = new Spread(this.#bounds);
    this.#spreads.set(key, { labels, spread });
    return spread;
  }
}

/** `count` bounds, each `factor` times the one before. */
export function exponentialBounds(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first * factor ** i);
}
