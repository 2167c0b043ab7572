import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { parseMountInfoLine } from "../mount/mountinfo.ts";
import { cgroupV1 } from "./cgroup-v1.ts";
import { cgroupV2, sharesOfWeight, weightOfShares } from "./cgroup-v2.ts";
import { KEEPS_CONTROLLERS, openCgroups } from "./open-cgroups.ts";

const clock = systemClock();

test("no group is made where a runtime keeps controllers: the mount goes with it", () => {
  const mounted = (point: string, source: string, controller: string) => {
    const line = `1 1 0:1 / ${point} rw - cgroup ${source} rw,${controller}`;
    return parseMountInfoLine(line)!;
  };
  const mounts = [
    mounted("/kept", KEEPS_CONTROLLERS, "hugetlb"),
    mounted("/cpu", "cgroup", "cpu"),
    mounted("/memory", "cgroup", "memory"),
  ];
  expect(openCgroups(mounts).controllers).toEqual(["cpu", "memory"]);
});

test("a group goes where a controller's folder has no hierarchy, too", async () => {
  const root = testFolder("r2k-cgroup-");
  const mounts = ["cpu", "memory"].map((name) => [name, join(root, name)] as const);
  // As crun leaves it after another program made the folder.
  const left = join(root, "hugetlb/r2k/a/container");
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, "cgroup.procs"), "1");
  const cgroups = cgroupV1(new Map(mounts));
  await cgroups.remove("/r2k/a", { clock });
  expect(existsSync(join(root, "hugetlb/r2k/a"))).toBe(false);
  cgroups.removeEmpty("/r2k");
  expect(existsSync(join(root, "hugetlb/r2k"))).toBe(false);
});

test("a group exists as long as one hierarchy has it, also the unified one", async () => {
  const root = testFolder("r2k-cgroup-");
  const mounts = ["cpu", "memory"].map((name) => [name, join(root, name)] as const);
  const cgroups = cgroupV1(new Map(mounts), join(root, "unified"));
  for (const left of ["cpu", "unified"]) {
    mkdirSync(join(root, left, "a"), { recursive: true });
    expect(cgroups.exists("/a"), left).toBe(true);
    await cgroups.remove("/a", { clock });
    expect(cgroups.exists("/a"), left).toBe(false);
  }
});

const IO = { device: "999:0", reads: 1, writes: 2, read_bytes: 4096, written_bytes: 8192 };
const COUNTERS = { user_ns: 3e7, system_ns: 1e7, periods: 5, throttledPeriods: 2, io: [IO] };

/** Writes interface files, of which the first makes their folder. */
function filesIn(folder: string, files: Record<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

test("what v2 counts is read; files that the kernel lacks count nothing", () => {
  const root = testFolder("r2k-cgroup-");
  filesIn(join(root, "a"), {
    "memory.current": "1",
    "memory.stat": "file 7\n",
    "memory.events": "max 3\noom_kill 0\n",
    "cpu.stat": "user_usec 30000\nsystem_usec 10000\nnr_periods 5\nnr_throttled 2\n",
    "io.stat": "999:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n999:1\n",
    "pids.max": "max",
  });
  const counters = cgroupV2(root).counters("/a");
  expect(counters).toMatchObject({ ...COUNTERS, cache_bytes: 7, limitHits: 3 });
  expect(counters?.peak_bytes).toBeUndefined();
  expect(counters?.threadsMax).toBeUndefined();
  expect(cgroupV2(root).counters("/none")).toBeUndefined();
});

test("what v1 counts is read", () => {
  const root = testFolder("r2k-cgroup-");
  const names = ["cpu", "cpuacct", "memory", "blkio"];
  const at = (name: string) => join(root, name, "a");
  filesIn(at("memory"), {
    "memory.usage_in_bytes": "1",
    "memory.stat": "cache 1\ntotal_cache 7\n",
    "memory.failcnt": "3",
  });
  filesIn(at("cpuacct"), { "cpuacct.stat": "user 3\nsystem 1\n" });
  filesIn(at("cpu"), { "cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 9\n" });
  filesIn(at("blkio"), {
    "blkio.throttle.io_service_bytes_recursive": "999:0 Read 4096\n999:0 Write 8192\nTotal 12288",
    "blkio.throttle.io_serviced_recursive": "999:0 Read 1\n999:0 Write 2\nTotal 3",
  });
  const cgroups = cgroupV1(new Map(names.map((name) => [name, join(root, name)])));
  expect(cgroups.counters("/a")).toMatchObject({
    ...{ ...COUNTERS, throttled_ns: 9, cache_bytes: 7, limitHits: 3 },
  });
});

describe.runIf(process.getuid?.() === 0)("cgroups of this machine", () => {
  const cgroups = openCgroups();

  test("a group takes limits, counts its processes and is removed with them", async () => {
    const parent = `/r2k-test-${process.pid}`;
    const group = `${parent}/a`;
    cgroups.create(group);
    try {
      cgroups.setLimits(group, {
        cpuShares: 512,
        cpuQuota_us: 50_000,
        cpuPeriod_us: 100_000,
        memory_bytes: 64 << 20,
        pids: 20,
      });
      expect(cgroups.usage(group)?.memory.limit_bytes).toBe(64 << 20);
      expect(cgroups.oomKills(group)).toBe(0);
      const child = spawn("sleep", ["100"]);
      const exited = once(child, "exit");
      for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
        const point = line.split(" ")[4] ?? "";
        const memory = / - cgroup .*[, ]memory(,|$)/.test(line);
        const unified = cgroups.version === 2 && / - cgroup2 /.test(line);
        if (memory || unified) writeFileSync(`${point}${group}/cgroup.procs`, String(child.pid));
      }
      expect(cgroups.pids(parent)).toContain(child.pid);
      cgroups.removeEmpty(parent);
      cgroups.removeEmpty(group);
      expect(cgroups.pids(parent)).toContain(child.pid);
      await cgroups.remove(parent, { clock });
      expect((await exited)[1]).toBe("SIGKILL");
      expect(cgroups.exists(parent)).toBe(false);
      expect(cgroups.usage(group)).toBeUndefined();
    } finally {
      await cgroups.remove(parent, { clock });
    }
  });

  test("the CPU shares of the groups below are those that were set", async () => {
    const parent = `/r2k-shares-${process.pid}`;
    try {
      expect(cgroups.cpuSharesBelow(parent)).toEqual(new Map());
      for (const [name, cpuShares] of [
        ["a", 2],
        ["b", 4_096],
      ] as const) {
        cgroups.create(`${parent}/${name}/below`);
        cgroups.setLimits(`${parent}/${name}`, { cpuShares });
      }
      const shares = cgroups.cpuSharesBelow(parent);
      expect([...shares.keys()].sort()).toEqual(["a", "b"]);
      expect(shares.get("a")).toBe(2);
      expect(weightOfShares(shares.get("b")!)).toBe(weightOfShares(4_096));
    } finally {
      await cgroups.remove(parent, { clock });
    }
  });

  test("an empty group goes, one with a group below it stays", () => {
    const parent = `/r2k-empty-${process.pid}`;
    cgroups.create(`${parent}/a`);
    cgroups.removeEmpty(parent);
    expect(cgroups.exists(`${parent}/a`)).toBe(true);
    for (const group of [`${parent}/a`, parent, parent]) cgroups.removeEmpty(group);
    expect(cgroups.exists(parent)).toBe(false);
  });
});

test("shares become weights as upstream's kubelet maps them", () => {
  const shares = [2, 3, 102, 512, 1024, 2048, 262_144, 0];
  expect(shares.map(weightOfShares)).toEqual([1, 2, 17, 59, 100, 174, 10_000, 1]);
  for (const weight of [1, 2, 39, 5_000, 9_999, 10_000]) {
    expect(weightOfShares(sharesOfWeight(weight))).toBe(weight);
    expect(weightOfShares(sharesOfWeight(weight) - 1)).toBe(Math.max(1, weight - 1));
  }
});

test.each([
  ["v1", (dir: string) => cgroupV1(new Map([["memory", dir]]))],
  ["v2", cgroupV2],
])("the root of %s, with every process of the machine, is not removed", async (_, open) => {
  const dir = testFolder("r2k-cgroup-root-");
  const cgroups = open(dir);
  for (const root of ["/", "//", "/a/.."]) {
    await expect(cgroups.remove(root, { clock })).rejects.toThrow("the root of cgroups");
    expect(() => cgroups.kill(root)).toThrow("the root of cgroups");
  }
  expect(existsSync(dir)).toBe(true);
});
