import { existsSync } from "node:fs";
import path from "node:path";
import { assert } from "@raft2kube/std/assert.ts";
import type { CgroupCounters, CgroupLimits, Cgroups, CgroupUsage, DeviceIo } from "./cgroup.ts";
import {
  killBelow,
  makeGroup,
  noIo,
  numbersBelow,
  pidsBelow,
  pressuresIn,
  readControl,
  readKeyed,
  readNumber,
  removeBelow,
  removeEmptyGroup,
  requireBelowRoot,
  writeControl,
} from "./cgroup-files.ts";

const WANTED = ["cpu", "cpuset", "memory", "pids", "io"];
const DEFAULT_PERIOD_US = 100_000;

/**
 * cpu.weight (1 to 10000) for v1's shares (2 to 262144): the map of upstream's kubelet 1.36, which
 * is that of opencontainers/cgroups 0.0.6, by which one processor, 1024 shares, has the kernel's
 * default, 100.
 */
export function weightOfShares(shares: number): number {
  if (shares >= SHARES_MAX) return 10_000;
  const bits = Math.log2(Math.max(shares, SHARES_MIN));
  return Math.max(1, Math.ceil(10 ** ((bits ** 2 + 125 * bits) / 612 - 7 / 34)));
}

const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

/** The least shares that have this weight. */
export function sharesOfWeight(weight: number): number {
  let [less, found] = [SHARES_MIN - 1, SHARES_MAX];
  while (found - less > 1) {
    const middle = (less + found) >> 1;
    if (weightOfShares(middle) < weight) less = middle;
    else found = middle;
  }
  return found;
}

function usageOf(directory: string): CgroupUsage | undefined {
  const cpu = readKeyed(directory, "cpu.stat");
  const usage_bytes = readNumber(directory, "memory.current");
  if (usage_bytes === undefined) return undefined;
  const stat = readKeyed(directory, "memory.stat");
  return {
    cpu_ns: (cpu.get("usage_usec") ?? 0) * 1000,
    memory: {
      usage_bytes,
      workingSet_bytes: Math.max(0, usage_bytes - (stat.get("inactive_file") ?? 0)),
      rss_bytes: stat.get("anon") ?? 0,
      pageFaults: stat.get("pgfault") ?? 0,
      majorPageFaults: stat.get("pgmajfault") ?? 0,
      limit_bytes: readNumber(directory, "memory.max"),
    },
    pids: readNumber(directory, "pids.current") ?? 0,
    get pressure() {
      return pressuresIn(directory);
    },
  };
}

/** Lines of `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`. */
function ioOf(directory: string): DeviceIo[] {
  return (readControl(directory, "io.stat") ?? "").split("\n").flatMap((line) => {
    const [id = "", ...pairs] = line.split(" ");
    if (pairs.length === 0) return [];
    const counts = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
    const count = (name: string) => Number(counts.get(name) ?? 0);
    const bytes = { read_bytes: count("rbytes"), written_bytes: count("wbytes") };
    return [{ ...noIo(id), reads: count("rios"), writes: count("wios"), ...bytes }];
  });
}

function countersOf(directory: string): CgroupCounters | undefined {
  if (readControl(directory, "memory.current") === undefined) return undefined;
  const cpu = readKeyed(directory, "cpu.stat");
  const memory = readKeyed(directory, "memory.stat");
  const time_ns = (name: string) => (cpu.has(name) ? cpu.get(name)! * 1000 : undefined);
  return {
    user_ns: time_ns("user_usec"),
    system_ns: time_ns("system_usec"),
    periods: cpu.get("nr_periods"),
    throttledPeriods: cpu.get("nr_throttled"),
    throttled_ns: time_ns("throttled_usec"),
    cache_bytes: memory.get("file"),
    swap_bytes: readNumber(directory, "memory.swap.current"),
    peak_bytes: readNumber(directory, "memory.peak"),
    limitHits: readKeyed(directory, "memory.events").get("max"),
    threadsMax: readNumber(directory, "pids.max"),
    io: ioOf(directory),
  };
}

function writeLimits(directory: string, limits: CgroupLimits): void {
  const write = (file: string, value: string | number) =>
    writeControl(path.join(directory, file), value);
  const orMax = (value: number) => (value < 0 ? "max" : value);
  if (limits.cpuShares !== undefined) write("cpu.weight", weightOfShares(limits.cpuShares));
  if (limits.cpuQuota_us !== undefined) {
    write("cpu.max", `${orMax(limits.cpuQuota_us)} ${limits.cpuPeriod_us ?? DEFAULT_PERIOD_US}`);
  }
  if (limits.memory_bytes !== undefined) write("memory.max", orMax(limits.memory_bytes));
  if (limits.pids !== undefined) write("pids.max", orMax(limits.pids));
}

/** Makes a group and passes the controllers down to it, from the root on. */
function createBelow(root: string, group: string, controllers: readonly string[]): void {
  let directory = root;
  for (const name of group.split("/").filter(Boolean)) {
    const passed = (readControl(directory, "cgroup.subtree_control") ?? "").split(" ");
    const missing = controllers.filter((controller) => !passed.includes(controller));
    if (missing.length > 0) {
      const words = missing.map((controller) => `+${controller}`).join(" ");
      writeControl(path.join(directory, "cgroup.subtree_control"), words);
    }
    directory = path.join(directory, name);
    makeGroup(directory);
  }
}

/** cgroup v2, mounted at `root`. */
export function cgroupV2(root: string): Cgroups {
  const available = (readControl(root, "cgroup.controllers") ?? "").split(" ");
  const controllers = WANTED.filter((controller) => available.includes(controller));
  const at = (group: string) => {
    assert(group.startsWith("/"), `cgroup path is not absolute: ${group}`);
    return path.join(root, group);
  };
  const kill = (group: string) => {
    requireBelowRoot(group);
    const file = path.join(at(group), "cgroup.kill");
    if (existsSync(file)) writeControl(file, 1);
    else killBelow(at(group));
  };
  return {
    version: 2,
    controllers,
    create: (group) => createBelow(root, group, controllers),
    exists: (group) => existsSync(at(group)),
    cpuSharesBelow(group) {
      const weights = [...numbersBelow(at(group), "cpu.weight")];
      return new Map(weights.map(([name, weight]) => [name, sharesOfWeight(weight)]));
    },
    setLimits: (group, limits) => writeLimits(at(group), limits),
    usage: (group) => usageOf(at(group)),
    counters: (group) => countersOf(at(group)),
    oomKills(group) {
      if (readControl(at(group), "memory.events") === undefined) return undefined;
      return readKeyed(at(group), "memory.events").get("oom_kill") ?? 0;
    },
    pids: (group) => pidsBelow(at(group)),
    kill,
    async remove(group, options) {
      kill(group);
      await removeBelow(at(group), { ...options, kill: () => kill(group) });
    },
    removeEmpty: (group) => removeEmptyGroup(at(group)),
  };
}
