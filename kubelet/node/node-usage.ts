import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  type InterfaceCounters,
  parseDefaultInterface,
  parseInterfaceCounters,
} from "@raft2kube/linux/proc/interface-counters.ts";
import { type Pressures, readPressures } from "@raft2kube/linux/proc/pressure.ts";
import {
  type FilesystemSpace,
  filesystemSpace,
  type ProcessSpace,
  processSpace,
} from "./machine.ts";

/** Usage of the whole machine. */
export interface NodeUsage {
  cpu_ns: number;
  memory: NodeMemory;
  swap: { available_bytes: number; usage_bytes: number };
  network: NodeNetwork;
  fs: FilesystemSpace;
  processes: ProcessSpace;
  pressure: Pressures;
}

/** Memory in bytes; page faults since the machine started. */
export interface NodeMemory {
  available_bytes: number;
  usage_bytes: number;
  workingSet_bytes: number;
  rss_bytes: number;
  pageFaults: number;
  majorPageFaults: number;
}

export interface NodeNetwork {
  /** Interface of the default route, if there is one. */
  defaultName: string | undefined;
  interfaces: InterfaceCounters[];
}

/** Nanoseconds of a kernel tick; USER_HZ is 100 on every supported architecture. */
const TICK_NS = 10_000_000;

/** Measures the machine's usage; `rootDir` is on the file system that pods write to. */
export async function nodeUsage(rootDir: string): Promise<NodeUsage> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  // user nice system idle iowait irq softirq steal: all but idle and iowait is work.
  const ticks = line.split(/\s+/).map(Number);
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks;
  const meminfo = numbersIn(await readFile("/proc/meminfo", "utf8"));
  const bytes = (name: string) => (meminfo.get(name) ?? 0) * 1024;
  const vmstat = numbersIn(await readFile("/proc/vmstat", "utf8"));
  return {
    cpu_ns: (user + nice + system + irq + softirq) * TICK_NS,
    memory: {
      available_bytes: bytes("MemAvailable"),
      usage_bytes: bytes("MemTotal") - bytes("MemFree"),
      workingSet_bytes: bytes("MemTotal") - bytes("MemAvailable"),
      rss_bytes: bytes("AnonPages"),
      pageFaults: vmstat.get("pgfault") ?? 0,
      majorPageFaults: vmstat.get("pgmajfault") ?? 0,
    },
    swap: {
      available_bytes: bytes("SwapFree"),
      usage_bytes: bytes("SwapTotal") - bytes("SwapFree"),
    },
    network: nodeNetwork(),
    fs: await filesystemSpace(rootDir),
    processes: await processSpace(),
    pressure: readPressures((resource) => `/proc/pressure/${resource}`),
  };
}

/** Read synchronously: the network namespace is that of the calling thread. */
function nodeNetwork(): NodeNetwork {
  const textOf = (name: string) => readFileSync(`/proc/thread-self/net/${name}`, "latin1");
  return {
    defaultName: parseDefaultInterface(textOf("route")),
    interfaces: parseInterfaceCounters(textOf("dev")),
  };
}

/** Parses lines of a name and a number: `MemTotal: 1024 kB`, `pgfault 17`. */
function numbersIn(text: string): Map<string, number> {
  const lines = [...text.matchAll(/^(\S+?):?\s+(\d+)/gm)];
  return new Map(lines.map(([, name, value]) => [name!, Number(value)]));
}
