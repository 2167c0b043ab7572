import { readdirSync, readFileSync } from "node:fs";
import { addMetric, type Sample } from "./families.ts";
import type { Registry } from "./metrics.ts";
import type { Tracer } from "./trace/tracer.ts";

const MICROSECONDS = 1e6;

/**
 * Adds the process metrics of Prometheus' libraries (memory, processor time, descriptors), and
 * Node's under the names of its client library.
 */
export function addProcessMetrics(registry: Registry): void {
  const start_s = performance.timeOrigin / 1000;
  const metrics: [name: string, help: string, value: () => number | undefined][] = [
    ["process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss()],
    ["process_cpu_seconds_total", "Processor time.", cpu_s],
    ["process_start_time_seconds", "When the process began, since 1970.", () => start_s],
    ["process_open_fds", "Open files.", openFiles],
    ["process_max_fds", "The bound on open files.", openFiles_max],
    ["os_fd_used", "Open files.", openFiles],
    ["os_fd_limit", "The bound on open files.", openFiles_max],
    ["process_virtual_memory_bytes", "Address space.", addressSpace_bytes],
    ["process_virtual_memory_max_bytes", "The bound on it.", addressSpace_max],
    ["nodejs_heap_size_used_bytes", "JavaScript objects.", () => process.memoryUsage().heapUsed],
    ["nodejs_heap_size_total_bytes", "V8's heap.", () => process.memoryUsage().heapTotal],
    [
      "nodejs_external_memory_bytes",
      "What objects keep outside the heap, buffers included.",
      () => process.memoryUsage().external,
    ],
    ["nodejs_array_buffers_bytes", "Buffers of it.", () => process.memoryUsage().arrayBuffers],
  ];
  for (const [name, help, value] of metrics) {
    const type = name === "process_cpu_seconds_total" ? "counter" : "gauge";
    addMetric(registry, { name, help, type }, () => {
      const now = value();
      return now === undefined ? [] : [{ labels: {}, value: now }];
    });
  }
  const help = "What keeps the event loop alive, by type: sockets, timers, requests under way.";
  addMetric(registry, { name: "nodejs_active_resources", help, type: "gauge" }, activeResources);
}

/** Adds the count of spans that a process has lost, where it traces. */
export function addTraceMetrics(registry: Registry, tracer: Tracer | undefined): void {
  const help = "Spans of this process that the receiver of traces did not get.";
  const lost = () => [{ labels: {}, value: tracer?.options.sink.dropped ?? 0 }];
  if (tracer) addMetric(registry, { name: "r2k_spans_dropped_total", help, type: "counter" }, lost);
}

function activeResources(): Sample[] {
  const byType = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) {
    byType.set(type, (byType.get(type) ?? 0) + 1);
  }
  return [...byType].map(([type, value]) => ({ labels: { type }, value }));
}

function cpu_s(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / MICROSECONDS;
}

/** Size of the address space; undefined without /proc. */
function addressSpace_bytes(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const kilobytes = /^VmSize:\s+([0-9]+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
  return kilobytes ? Number(kilobytes[1]) * 1024 : undefined;
}

/** Number of open files; undefined without /proc. */
function openFiles(): number | undefined {
  return process.platform === "linux" ? readdirSync("/proc/self/fd").length : undefined;
}

export const openFiles_max = (): number | undefined => limitOf("Max open files");

const addressSpace_max = (): number | undefined => limitOf("Max address space");

/** Returns the maximum for `unlimited`, as Prometheus' libraries do. */
const UNLIMITED = 2 ** 64;

/** A resource limit; undefined without /proc. */
function limitOf(name: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  const limits = readFileSync("/proc/self/limits", "utf8");
  const soft = new RegExp(`^${name} +(\\d+|unlimited)`, "m").exec(limits)?.[1];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? UNLIMITED : Number(soft);
}
