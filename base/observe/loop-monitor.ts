import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type Registry } from "prom-client";

/** Delay of the event loop in milliseconds since the last reset. */
export type LoopDelay = { readonly p999_ms: number; readonly max_ms: number };

export interface LoopMonitor {
  read(): LoopDelay;
  reset(): void;
  close(): void;
}

const RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

/** Monitors the process's event loop; with a registry adds its p99.9 and maximum as metrics. */
export function monitorLoop(registry?: Registry): LoopMonitor {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const beyond = (ns: number) => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
  const read = (): LoopDelay => ({
    p999_ms: beyond(histogram.percentile(99.9)),
    max_ms: beyond(histogram.max),
  });
  if (registry) {
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [registry],
        collect: function () {
          this.set(value());
        },
      });
    gauge("r2k_loop_delay_p999_ms", "Event loop delay, 99.9th percentile.", () => read().p999_ms);
    gauge("r2k_loop_delay_max_ms", "Event loop delay, maximum.", () => read().max_ms);
  }
  return { read, reset: () => histogram.reset(), close: () => histogram.disable() };
}
