import type { Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

interface Sample {
  metricName?: string;
  labels: Record<string, string | number>;
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

function register(
  registry: Registry,
  scraped: Omit<Scraped, "aggregator" | "get">,
  samples: () => Sample[],
): void {
  const { name, help, type, reset } = scraped;
  const aggregator = "sum";
  const metric: Scraped = {
    ...{ name, help, type, aggregator, reset },
    get: () => Promise.resolve({ name, help, type, aggregator, values: samples() }),
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

/** Counters of one name: adding to one is adding to a number, labels are put on when asked for. */
export class CounterFamily {
  readonly #counts = new Map<string, { labels: Labels; count: Count }>();

  constructor(registry: Registry, name: string, help: string) {
    const reset = () => this.#counts.clear();
    register(registry, { name, help, type: "counter", reset }, () =>
      [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count.value })),
    );
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

/** How values are spread over buckets. */
export class Spread {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = [];
    let total = 0;
    this.#counts.forEach((count, i) => {
      total += count;
      const le = this.#bounds[i] ?? "+Inf";
      samples.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: total });
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
    register(registry, { name, help, type: "histogram", reset }, () =>
      [...this.#spreads.values()].flatMap(({ labels, spread }) => spread.samples(name, labels)),
    );
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
