import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import { basename, dirname, join } from "node:path";
import type { Pod, PodQOSClass } from "@raft2kube/api/gen/core/v1.ts";
import type { CgroupLimits, Cgroups } from "@raft2kube/linux/cgroup/cgroup.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { podsPidsMax, processSpace } from "../node/machine.ts";
import { PodCgroups, podCgroup } from "./pod-cgroup.ts";

const clock = systemClock();

/** A command by which a shell joins a group, in every hierarchy that has it. */
function joining(group: string): string {
  const files = readMountInfo().map(({ mountPoint }) => `${mountPoint}${group}/cgroup.procs`);
  return files
    .filter(existsSync)
    .map((file) => `echo $$ > ${file};`)
    .join(" ");
}

test("the pods leave a tenth of the machine's processes to the node", async () => {
  const { most, running } = await processSpace();
  expect(await podsPidsMax()).toBe(Math.floor(most * 0.9));
  expect(running).toBeGreaterThan(0);
  expect(running).toBeLessThan(most);
});

describe("a QoS class has the CPU shares of its pods' requests", () => {
  const shares = new Map<string, number | undefined>();
  const cgroups = {
    controllers: ["cpu"],
    create: () => undefined,
    exists: () => false,
    pids: (path: string) => (basename(path) === "podempty" ? [] : [1]),
    cpuSharesBelow: (path: string) => {
      const below = [...shares].filter(([group]) => dirname(group) === path);
      return new Map(below.map(([group, value]) => [basename(group), value]));
    },
    setLimits: (path: string, limits: CgroupLimits) => shares.set(path, limits.cpuShares),
  } as unknown as Cgroups;
  const podOf = (uid: string, qosClass: PodQOSClass, cpu?: string): Pod => ({
    metadata: { uid },
    spec: { containers: [{ name: "c", ...(cpu && { resources: { requests: { cpu } } }) }] },
    status: { qosClass },
  });
  const of = () =>
    ["guaranteed", "burstable", "besteffort"].map((name) => shares.get(`/k/${name}`));
  const started = () => {
    const pods = new PodCgroups(cgroups, "/k", clock, { pod: 1, allPods: 1 });
    pods.createClasses();
    return pods;
  };
  beforeEach(() => shares.clear());

  test("as they come and go, best-effort pods the least", async () => {
    const pods = started();
    expect(of()).toEqual([2, 2, 2]);
    pods.create(podOf("a", "Guaranteed", "3"));
    pods.create(podOf("b", "Guaranteed", "1"));
    pods.create(podOf("c", "Burstable", "500m"));
    pods.create(podOf("d", "BestEffort"));
    expect(of()).toEqual([4096, 512, 2]);
    pods.create(podOf("a", "Guaranteed", "2"));
    await pods.remove("b");
    await pods.remove("c");
    expect(of()).toEqual([2048, 2, 2]);
  });

  test("from the start of a kubelet that finds pods of before, until they are removed", async () => {
    const before = started();
    before.create(podOf("a", "Guaranteed", "3"));
    before.create(podOf("b", "Guaranteed", "1"));
    before.create(podOf("c", "Burstable", "500m"));
    for (const uid of ["d", "e"]) before.create(podOf(uid, "BestEffort"));
    before.create(podOf("empty", "Burstable", "8"));
    const pods = started();
    expect(of()).toEqual([4096, 512, 2]);
    pods.create(podOf("a", "Guaranteed", "2"));
    await pods.remove("c");
    expect(of()).toEqual([3072, 2, 2]);
  });
});

describe.runIf(process.getuid?.() === 0)("a pod's cgroup", () => {
  const root = `/r2k-pids-${process.pid}`;
  const pod: Pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [{ name: "c" }] } };
  const forks = "i=0; while [ $i -lt 40 ]; do sleep 30 >/dev/null 2>&1 & i=$((i+1)); done";

  test.each([
    ["the pod's limit", { pod: 20, allPods: 1_000 }],
    ["the limit of all pods", { pod: 1_000, allPods: 20 }],
  ])("stops a fork bomb at %s", async (_, limits) => {
    const cgroups = openCgroups();
    const pods = new PodCgroups(cgroups, root, clock, limits);
    try {
      pods.createClasses();
      pods.create(pod);
      const script = `${joining(podCgroup(root, pod))} ${forks}`;
      const { stderr } = spawnSync("sh", ["-c", script], { stdio: "pipe" });
      expect(stderr.toString()).toMatch(/fork/);
      expect(pods.usage(pod)?.pids).toBeLessThanOrEqual(20);
    } finally {
      await cgroups.remove(root, { clock });
    }
  });

  const machine = openCgroups();
  test.runIf(machine.version === 1).each([
    [{ memory: "1Mi" }, 1 << 20],
    [{}, Math.floor(os.totalmem() / 100 / 4096) * 4096],
  ])("bounds the buffers of TCP, which v1 does not count as memory: %o", async (limits, bytes) => {
    const pods = new PodCgroups(machine, root, clock, { pod: 20, allPods: 20 });
    const wanted = { ...pod, spec: { containers: [{ name: "c", resources: { limits } }] } };
    const file = `${podCgroup(root, wanted)}/memory.kmem.tcp.limit_in_bytes`;
    try {
      pods.createClasses();
      pods.create(wanted);
      const files = readMountInfo().map(({ mountPoint }) => join(mountPoint, file));
      const found = files.filter(existsSync).map((one) => Number(readFileSync(one, "utf8")));
      expect(new Set(found)).toEqual(new Set([bytes]));
    } finally {
      await machine.remove(root, { clock });
    }
  });
});
