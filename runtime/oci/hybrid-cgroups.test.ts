import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEEPS_CONTROLLERS, openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { type MountInfo, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import {
  giveBackHybridControllers,
  hybridControllers,
  takeHybridControllers,
} from "./hybrid-cgroups.ts";

let dir: string;

beforeEach(() => {
  dir = testFolder("r2k-hybrid-");
});

const v1 = (name: string, source = "cgroup") =>
  ({ type: "cgroup", source, mountPoint: `/v1/${name}`, superOptions: ["rw", name] }) as MountInfo;
const unified = () => ({ type: "cgroup2", source: "cgroup2", mountPoint: dir }) as MountInfo;

function table(...rows: [name: string, hierarchy: number][]): string {
  const lines = rows.map(([name, hierarchy]) => `${name}\t${hierarchy}\t1\t1`);
  return ["#subsys_name\thierarchy\tnum_cgroups\tenabled", ...lines, ""].join("\n");
}

const holds = (text: string) => writeFileSync(join(dir, "cgroup.controllers"), `${text}\n`);

it("controllers that v2 holds are in the way where memory is in v1", () => {
  holds("hugetlb misc");
  const rows = table(["memory", 4], ["hugetlb", 0], ["misc", 0], ["net_cls", 0]);
  expect(hybridControllers([v1("memory"), unified()], rows)).toEqual([["hugetlb", "misc"]]);
  expect(hybridControllers([unified()], rows)).toEqual([]);
  expect(hybridControllers([v1("memory")], rows)).toEqual([]);
});

it("controllers that another runtime keeps would come back when it ends", () => {
  holds("");
  const rows = table(["memory", 4], ["hugetlb", 47]);
  const mounts = [v1("memory"), unified()];
  expect(hybridControllers(mounts, rows)).toEqual([["hugetlb"]]);
  expect(hybridControllers([...mounts, v1("hugetlb", KEEPS_CONTROLLERS)], rows)).toEqual([
    ["hugetlb"],
  ]);
  expect(hybridControllers([...mounts, v1("hugetlb")], rows)).toEqual([]);
});

it("a controller that its runtime gives back meanwhile is taken once", () => {
  holds("hugetlb");
  const rows = table(["memory", 4], ["hugetlb", 47]);
  expect(hybridControllers([v1("memory"), unified()], rows)).toEqual([["hugetlb"]]);
});

it.runIf(hybridControllers().length > 0)("each of two runtimes keeps them by itself", () => {
  const isMounted = (at: string) => readMountInfo().some(({ mountPoint }) => mountPoint === at);
  const [one, two] = [join(dir, "one"), join(dir, "two")];
  try {
    takeHybridControllers(one);
    takeHybridControllers(two);
    takeHybridControllers(two);
    giveBackHybridControllers(one);
    expect([isMounted(one), isMounted(two)]).toEqual([false, true]);
    expect(hybridControllers().length).toBeGreaterThan(0);
  } finally {
    giveBackHybridControllers(two);
    giveBackHybridControllers(one);
  }
  expect(isMounted(two)).toBe(false);
});

it.runIf(hybridControllers().length > 0)("nothing is made where a runtime keeps them", async () => {
  const group = `/r2k-test-kept-${process.pid}`;
  takeHybridControllers(dir);
  const cgroups = openCgroups();
  try {
    cgroups.create(group);
    const entries = readdirSync(dir, { withFileTypes: true });
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.filter((entry) => entry.isDirectory())).toEqual([]);
  } finally {
    await cgroups.remove(group, { clock: systemClock() });
    giveBackHybridControllers(dir);
  }
});
