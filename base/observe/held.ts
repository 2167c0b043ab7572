import { Gauge, type Registry } from "prom-client";

/** The longest that each named piece of work has held the loop, in milliseconds of CPU time. */
const longest_ms = new Map<string, number>();

/** Names kept; further ones count as `other`, so that no client can make metrics without end. */
const NAMES_MAX = 500;

const US_PER_MS = 1_000;

/** CPU time of this thread, in the steps of the kernel: waiting for a processor does not count. */
function cpu_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / US_PER_MS;
}

/** Runs work that may hold the loop, under a name that the metric shows: `list pods: join`. */
export function held<T>(by: string, work: () => T): T {
  const start_ms = cpu_ms();
  try {
    return work();
  } finally {
    note(by, cpu_ms() - start_ms);
  }
}

function note(by: string, took_ms: number): void {
  const name = longest_ms.has(by) || longest_ms.size < NAMES_MAX ? by : "other";
  const known = longest_ms.get(name);
  if (known === undefined || took_ms > known) longest_ms.set(name, took_ms);
}

/** Adds the metric `r2k_loop_held_max_ms{by}` of this process' loop to a registry. */
export function exposeHeld(registry: Registry): void {
  const gauge: Gauge<"by"> = new Gauge({
    name: "r2k_loop_held_max_ms",
    help: "The longest that named work held the event loop, in CPU time.",
    labelNames: ["by"],
    registers: [registry],
    collect: () => {
      for (const [by, value] of longest_ms) gauge.set({ by }, value);
    },
  });
}
