import { Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** Creates the registry of one component; two clusters in one process do not share counters. */
export const metricsRegistry = (): Registry => new Registry();
