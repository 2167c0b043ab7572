import { Gauge, type Registry } from "prom-client";

/** Maximum time that each named work has blocked the event loop, in milliseconds of CPU time. */
const longest_ms = new Map<string, number>();

/** Maximum number of names; more count as `other`, which bounds the metric's labels. */
const NAMES_MAX = 500;

const US_PER_MS = 1_000;

/** CPU time of this thread, with the kernel's resolution; excludes waiting for a processor. */
function cpu_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / US_PER_MS;
}

/** Runs synchronous work and records its time under a name, such as `list pods: join`. */
export function timed<T>(by: string, work: () => T): T {
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

/** Adds the metric `r2k_loop_held_max_ms{by}` of this process to a registry. */
export function exposeTimed(registry: Registry): void {
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
