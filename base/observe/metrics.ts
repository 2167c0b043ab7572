import { Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** A registry of its own per part, so that two clusters in one process do not share counters. */
export function metricsRegistry(): Registry {
  return new Registry();
}

/** The registry in Prometheus' text format, with the content type to send it under. */
export async function exposition(registry: Registry): Promise<{ type: string; body: string }> {
  return { type: registry.contentType, body: await registry.metrics() };
}
