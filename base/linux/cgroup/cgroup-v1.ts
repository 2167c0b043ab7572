import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { assert } from "@raft2kube/std/assert.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
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

const TCP_LIMIT = "memory.kmem.tcp.limit_in_bytes";

/** The controllers whose groups we make: the ones that a container's limits and counts live in. */
const USED = (
  "cpu cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls net_prio perf_event " +
  "rdma misc name=systemd"
).split(" ");

/** v1 cpuset groups are born empty, and refuse processes until they have what their parent has. */
function inheritCpuset(root: string, directory: string): void {
  const parent = path.dirname(directory);
  if (directory === root) return;
  inheritCpuset(root, parent);
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const own = path.join(directory, file);
    if (existsSync(own) && readFileSync(own, "utf8").trim() === "") {
      writeControl(own, readFileSync(path.join(parent, file), "utf8").trim());
    }
  }
}

/** Usage of a group; stalls are counted in a v2 hierarchy alone, in which `beside` is the group. */
function usageOf(
  at: (controller: string) => string,
  beside: string | undefined,
): CgroupUsage | undefined {
  const cpu_ns = readNumber(at("cpuacct"), "cpuacct.usage");
  const usage_bytes = readNumber(at("memory"), "memory.usage_in_bytes");
  if (cpu_ns === undefined || usage_bytes === undefined) return undefined;
  const stat = readKeyed(at("memory"), "memory.stat");
  return {
    cpu_ns,
    memory: {
      usage_bytes,
      workingSet_bytes: Math.max(0, usage_bytes - (stat.get("total_inactive_file") ?? 0)),
      rss_bytes: stat.get("total_rss") ?? 0,
      pageFaults: stat.get("total_pgfault") ?? 0,
      majorPageFaults: stat.get("total_pgmajfault") ?? 0,
      limit_bytes: readNumber(at("memory"), "memory.limit_in_bytes"),
    },
    pids: readNumber(at("pids"), "pids.current") ?? 0,
    get pressure() {
      return beside === undefined ? {} : pressuresIn(beside);
    },
  };
}

/** Nanoseconds of a kernel tick; USER_HZ is 100 on every supported architecture. */
const TICK_NS = 10_000_000;

/** Lines of `8:0 Read 4096`; the kernel has no throttled device in a group without any I/O. */
function ioOf(directory: string): DeviceIo[] {
  const found = new Map<string, DeviceIo>();
  const files = { io_service_bytes: "bytes", io_serviced: "times" } as const;
  for (const [file, what] of Object.entries(files)) {
    const lines = readControl(directory, `blkio.throttle.${file}_recursive`) ?? "";
    for (const [, id, verb, count] of lines.matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm)) {
      const io = found.get(id!) ?? noIo(id!);
      found.set(id!, io);
      if (what === "bytes") io[verb === "Read" ? "read_bytes" : "written_bytes"] = Number(count);
      else io[verb === "Read" ? "reads" : "writes"] = Number(count);
    }
  }
  return [...found.values()];
}

function countersOf(at: (controller: string) => string): CgroupCounters | undefined {
  if (readControl(at("memory"), "memory.usage_in_bytes") === undefined) return undefined;
  const times = readKeyed(at("cpuacct"), "cpuacct.stat");
  const cpu = readKeyed(at("cpu"), "cpu.stat");
  const memory = readKeyed(at("memory"), "memory.stat");
  const ticks = (name: string) => (times.has(name) ? times.get(name)! * TICK_NS : undefined);
  return {
    user_ns: ticks("user"),
    system_ns: ticks("system"),
    periods: cpu.get("nr_periods"),
    throttledPeriods: cpu.get("nr_throttled"),
    throttled_ns: cpu.get("throttled_time"),
    cache_bytes: memory.get("total_cache"),
    swap_bytes: memory.get("total_swap"),
    peak_bytes: readNumber(at("memory"), "memory.max_usage_in_bytes"),
    limitHits: readNumber(at("memory"), "memory.failcnt"),
    threadsMax: readNumber(at("pids"), "pids.max"),
    io: ioOf(at("blkio")),
  };
}

function writeLimits(at: (controller: string) => string, limits: CgroupLimits): void {
  const write = (controller: string, file: string, value: number | string) =>
    writeControl(path.join(at(controller), file), value);
  if (limits.cpuShares !== undefined) write("cpu", "cpu.shares", limits.cpuShares);
  if (limits.cpuPeriod_us !== undefined) write("cpu", "cpu.cfs_period_us", limits.cpuPeriod_us);
  if (limits.cpuQuota_us !== undefined) write("cpu", "cpu.cfs_quota_us", limits.cpuQuota_us);
  if (limits.memory_bytes !== undefined) {
    write("memory", "memory.limit_in_bytes", limits.memory_bytes);
  }
  if (limits.tcp_bytes !== undefined) {
    const bytes = limits.tcp_bytes;
    // Kernels may be built without it; a limit below what is in use is refused.
    tolerateSync(() => write("memory", TCP_LIMIT, bytes), errno("ENOENT", "EACCES", "EBUSY"));
  }
  if (limits.pids !== undefined) write("pids", "pids.max", limits.pids < 0 ? "max" : limits.pids);
}

/**
 * cgroup v1: `mounts` maps each controller (and `name=systemd`) to where it is mounted. `unified`
 * is a v2 hierarchy beside them: OCI runtimes make groups in it too, so groups are removed there.
 */
export function cgroupV1(mounts: ReadonlyMap<string, string>, unified?: string): Cgroups {
  const controllers = USED.filter((controller) => mounts.has(controller));
  const roots = [...new Set(controllers.map((controller) => mounts.get(controller)!))];
  // Where another program left a folder of a controller's name, crun writes files into it.
  const unmounted = USED.filter((name) => !mounts.has(name) && /^\w+$/.test(name)).map((name) =>
    path.join(path.dirname(roots[0]!), name),
  );
  const held = unified === undefined ? roots : [...roots, unified];
  const atOf = (group: string) => (controller: string) => {
    const root = mounts.get(controller);
    assert(group.startsWith("/"), `cgroup path is not absolute: ${group}`);
    return root === undefined ? "/nonexistent" : path.join(root, group);
  };
  const killIn = (group: string) => {
    requireBelowRoot(group);
    killBelow(atOf(group)("memory"));
  };
  return {
    version: 1,
    controllers,
    create(group) {
      for (const root of roots) makeGroup(path.join(root, group));
      const cpuset = mounts.get("cpuset");
      if (cpuset !== undefined) inheritCpuset(cpuset, path.join(cpuset, group));
    },
    // A removal that was interrupted has left it in some hierarchies.
    exists: (group) => held.some((root) => existsSync(path.join(root, group))),
    cpuSharesBelow: (group) => numbersBelow(atOf(group)("cpu"), "cpu.shares"),
    setLimits: (group, limits) => writeLimits(atOf(group), limits),
    usage: (group) => usageOf(atOf(group), unified && path.join(unified, group)),
    counters: (group) => countersOf(atOf(group)),
    oomKills(group) {
      if (readControl(atOf(group)("memory"), "memory.oom_control") === undefined) return undefined;
      return readKeyed(atOf(group)("memory"), "memory.oom_control").get("oom_kill") ?? 0;
    },
    pids: (group) => pidsBelow(atOf(group)("memory")),
    kill: killIn,
    async remove(group, options) {
      const kill = () => killIn(group);
      kill();
      for (const root of held) await removeBelow(path.join(root, group), { ...options, kill });
      for (const folder of unmounted) {
        rmSync(path.join(folder, group), { recursive: true, force: true });
      }
    },
    removeEmpty(group) {
      for (const root of [...held, ...unmounted]) removeEmptyGroup(path.join(root, group));
    },
  };
}
