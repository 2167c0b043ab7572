import type { Registry } from "prom-client";
import { addMetric } from "../families.ts";
import type { Tracer } from "./tracer.ts";

const DROPPED = {
  name: "r2k_spans_dropped_total",
  type: "counter",
  help: "Spans of this process that the receiver of traces did not get.",
} as const;

/** Adds the count of spans that a process has lost, where it traces. */
export function addTraceMetrics(registry: Registry, tracer: Tracer | undefined): void {
  if (tracer) addMetric(registry, DROPPED, () => [{ labels: {}, value: tracer.sink.dropped ?? 0 }]);
}
