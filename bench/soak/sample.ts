import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";

const MIB = 1024 * 1024;

/** Resource usage of one process, by the names of a row. */
export type Sample = Readonly<Record<string, number>>;

/** Metrics with the label sets that are added up, and the unit they are shown in. */
const SAMPLED: readonly [what: string, metric: string, divisor: number, unit: string][] = [
  ["resident", "process_resident_memory_bytes", MIB, "MiB"],
  ["heap used", "nodejs_heap_size_used_bytes", MIB, "MiB"],
  ["heap committed", "nodejs_heap_size_total_bytes", MIB, "MiB"],
  ["external", "nodejs_external_memory_bytes", MIB, "MiB"],
  ["descriptors", "process_open_fds", 1, ""],
  ["timers", 'nodejs_active_resources{type="Timeout"}', 1, ""],
  ["sockets", 'nodejs_active_resources{type="TCPSocketWrap"}', 1, ""],
  ["watch cache, objects", "r2k_watch_cache_bytes", MIB, "MiB"],
  ["watch cache, history", "r2k_watch_history_bytes", MIB, "MiB"],
];

export const unitOf = (what: string): string => SAMPLED.find(([name]) => name === what)?.[3] ?? "";

/** Reads the metrics of a process at `path`; missing ones are omitted. */
export async function sample(client: KubeClient, path: string): Promise<Sample> {
  const text = await client.requestText({ method: "GET", path, accept: "text/plain" });
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const found: Record<string, number> = {};
  for (const [what, metric, divisor] of SAMPLED) {
    const values = lines
      .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
      .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
    if (values.length > 0) found[what] = values.reduce((sum, value) => sum + value) / divisor;
  }
  return found;
}

/** The least of several samples: garbage that waits for its collector is not held. */
export function least(samples: readonly Sample[]): Sample {
  const [first = {}] = samples;
  return Object.fromEntries(
    Object.keys(first).map((what) => [what, Math.min(...samples.map((each) => each[what] ?? 0))]),
  );
}
