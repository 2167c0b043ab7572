import { Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** A registry of its own per part, so that two clusters in one process do not share counters. */
export function metricsRegistry(): Registry {
  return new Registry();
}
