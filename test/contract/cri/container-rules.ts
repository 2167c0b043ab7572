import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Bench } from "./suite.ts";

const clock = systemClock();
const LOG_LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) [PF] /;

export function containerRules(bench: Bench): void {
  const { cgroups } = bench.implementation.knows;

  describe("containers", () => {
    test("one is created, runs, ends with its code, and is removed", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod, { command: ["sh", "-c", "exit 3"] });
      expect((await pods.status(containerId)).state).toBe(ContainerState.CONTAINER_CREATED);
      await runtime.startContainer({ containerId });
      const status = await pods.exited(containerId);
      expect(status).toMatchObject({ exitCode: 3, reason: "Error" });
      expect(status.finishedAt).toBeGreaterThan(status.createdAt);
      expect(status.startedAt).toBeGreaterThanOrEqual(status.createdAt);
      await runtime.removeContainer({ containerId });
      await runtime.removeContainer({ containerId });
      await expect(pods.status(containerId)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    test("logs have CRI's form", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const script = "echo out; echo err >&2; printf partial";
      await pods.exited(await pods.start(pod, { command: ["sh", "-c", script] }));
      const lines = readFileSync(pods.logFile(pod), "utf8").trimEnd().split("\n");
      for (const line of lines) expect(line).toMatch(LOG_LINE);
      const words = lines.map((line) => line.split(" ").slice(1).join(" ")).sort();
      expect(words).toEqual(["stderr F err", "stdout F out", expect.stringMatching(/ partial$/)]);
    });

    test("a log that was renamed away is opened anew when asked", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const script = "while true; do echo tick; sleep 0.05; done";
      const containerId = await pods.start(pod, { command: ["sh", "-c", script] });
      const file = pods.logFile(pod);
      await waitFor("the log", () => existsSync(file), { clock });
      renameSync(file, `${file}.1`);
      await runtime.reopenContainerLog({ containerId });
      await waitFor("the new log", () => existsSync(file) && readFileSync(file).length, { clock });
    });

    test("stopping sends the signal, waits, then kills", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const script = (on: string) => ["sh", "-c", `trap '${on}' TERM; while :; do sleep 0.05; done`];
      const polite = await pods.start(pod, { command: script("exit 7") });
      const log = () => pods.shell(polite, "grep -c ^SigCgt /proc/1/status");
      await waitFor("the trap", log, { clock });
      await waitFor("the trap", async () => {
        const caught = await pods.shell(polite, "grep SigCgt /proc/1/status");
        return (BigInt(`0x${caught.split("\t")[1]}`) & (1n << 14n)) !== 0n;
      }, { clock });
      await runtime.stopContainer({ containerId: polite, timeout: 20 });
      expect(await pods.status(polite)).toMatchObject({ exitCode: 7 });
      const deaf = await pods.start(pod, {
        command: script(":"),
        config: { metadata: { name: "deaf", attempt: 0 } },
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
      expect(await pods.status(deaf)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED, exitCode: 137,
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
    });

    test.runIf(cgroups)("running out of memory has its own reason", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const id = await pods.start(pod, {
        command: ["sh", "-c", "sleep 0.2; tail /dev/zero"],
        config: { linux: { resources: { memoryLimitInBytes: 16 << 20 } } },
      });
      expect(await pods.exited(id)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
    });

    test("limits are set, and change while it runs", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.start(pod, {
        config: { linux: { resources: { memoryLimitInBytes: 32 << 20, cpuShares: 512 } } },
      });
      const limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
      const memory = () => pods.shell(containerId, `${limit} 2>/dev/null || true`);
      expect(await memory()).toBe(String(32 << 20));
      const linux = { memoryLimitInBytes: 64 << 20 };
      await runtime.updateContainerResources({ containerId, linux });
      expect(await memory()).toBe(String(64 << 20));
      expect((await pods.status(containerId)).resources?.linux?.memoryLimitInBytes).toBe(64 << 20);
    });

    test.runIf(cgroups)("statistics count what it uses", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const command = ["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=2; while :; do :; done"];
      const containerId = await pods.start(pod, { command });
      const used = async () => {
        const { stats } = await runtime.containerStats({ containerId });
        return (stats?.cpu?.usageCoreNanoSeconds?.value ?? 0) > 10_000_000 && stats;
      };
      const stats = await waitFor("statistics", used, { clock });
      expect(stats.attributes?.id).toBe(containerId);
      expect(stats.memory?.workingSetBytes?.value).toBeGreaterThan(10_000);
      const all = await runtime.listContainerStats({ filter: { podSandboxId: pod } });
      expect(all.stats.map(({ attributes }) => attributes?.id)).toEqual([containerId]);
      const wrote = async () => {
        const again = await runtime.containerStats({ containerId });
        return (again.stats?.writableLayer?.usedBytes?.value ?? 0) >= 2 << 20;
      };
      await waitFor("the size of what it wrote", wrote, { clock, timeout_ms: 40_000 });
    });

    test("volumes are mounted, read-only where asked", async () => {
      const { pods, world } = bench;
      const hostPath = join(world.dir, "volume");
      mkdirSync(hostPath, { recursive: true });
      writeFileSync(join(hostPath, "file"), "content");
      const pod = await pods.run({ hostNetwork: true });
      const mounts = [
        { containerPath: "/data/inner", hostPath, readonly: true },
        { containerPath: "/data", hostPath },
      ];
      const id = await pods.start(pod, { config: { mounts } });
      await pods.shell(id, "echo more > /data/new");
      expect(await pods.shell(id, "cat /data/inner/new")).toBe("more");
      expect(await pods.shell(id, "echo x 2>&1 > /data/inner/y || echo refused")).toContain(
        "refused",
      );
    });

    test("a command that is not there fails to start, and the container says why", async () => {
      const { pods, served: { runtime } } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod, { command: ["/no/such/program"] });
      await expect(runtime.startContainer({ containerId })).rejects.toThrow(/no such file/i);
      expect(await pods.status(containerId)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED, exitCode: 128, reason: "StartError",
      });
    });

    test("an image that is not there is named", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      await expect(pods.create(pod, { image: "r2k.local/none:1" })).rejects.toThrow(/none:1/);
    });

    test("the image's command and environment are used, and replaced", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const web = await pods.start(pod, {
        image: "r2k.local/web:1",
        config: { command: [], args: ["httpd", "-f", "-p", "127.0.0.1:18080", "-h", "/www"] },
      });
      expect(await pods.shell(web, "tr '\\0' ' ' < /proc/1/cmdline")).toContain("/bin/init --");
      const id = await pods.start(pod, {
        config: {
          metadata: { name: "env", attempt: 0 }, envs: [{ key: "A", value: "b=c" }],
          workingDir: "/tmp",
        },
      });
      expect(await pods.shell(id, "echo $A; pwd; echo $PATH")).toBe(
        "b=c\n/tmp\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      );
    });

    test("they go on while the runtime is restarted", async () => {
      const { pods, served } = bench;
      const pod = await pods.run();
      const id = await pods.start(pod, { command: ["sh", "-c", "sleep 1; exit 5"] });
      const steady = await pods.start(pod, { config: { metadata: { name: "steady", attempt: 0 } } });
      const before = await pods.status(steady);
      await served.restart();
      expect(await pods.status(steady)).toEqual(before);
      expect(await pods.shell(steady, "echo here")).toBe("here");
      expect(await pods.exited(id)).toMatchObject({ exitCode: 5 });
    });
  });
}
