import { existsSync } from "node:fs";
import type { Metric } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./suite.ts";

export function limitRules(bench: Bench): void {
  describe("limits and statistics", () => {
    resourceRules(bench);
    if (bench.implementation.knows.podResources) podResourceRules(bench);
    statisticsRules(bench);
    if (bench.implementation.knows.metrics) metricRules(bench);
  });
}

function resourceRules(bench: Bench): void {
  test.runIf(bench.implementation.knows.cgroups)(
    "running out of memory has its own reason",
    async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const id = await pods.start(pod, {
        command: ["sh", "-c", "sleep 0.2; tail /dev/zero"],
        config: { linux: { resources: { memoryLimitInBytes: 16 << 20 } } },
      });
      expect(await pods.exited(id)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
      // conmon's note of it belongs to the container, not where the runtime was started.
      expect(existsSync("oom")).toBe(false);
    },
  );

  test("limits are set, and change while it runs", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const pod = await pods.run({ hostNetwork: true });
    const containerId = await pods.start(pod, {
      config: { linux: { resources: { memoryLimitInBytes: 32 << 20, cpuShares: 512 } } },
    });
    const limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
    const memory = () => pods.shell(containerId, `${limit} 2>/dev/null || true`);
    expect(await memory()).toBe(String(32 << 20));
    const linux = { memoryLimitInBytes: 64 << 20, cpuQuota: -1, cpuPeriod: 100_000 };
    await runtime.updateContainerResources({ containerId, linux });
    expect(await memory()).toBe(String(64 << 20));
    expect((await pods.status(containerId)).resources?.linux?.memoryLimitInBytes).toBe(64 << 20);
  });
}

function podResourceRules(bench: Bench): void {
  test("a pod's resources are those of its last resize; a stopped one has none", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const podSandboxId = await pods.run({ hostNetwork: true });
    const resources = { memoryLimitInBytes: 64 << 20, cpuShares: 512 };
    const overhead = { memoryLimitInBytes: 1 << 20 };
    await runtime.updatePodSandboxResources({ podSandboxId, resources, overhead });
    await runtime.updatePodSandboxResources({ podSandboxId, resources: { cpuShares: 256 } });
    const { info } = await runtime.podSandboxStatus({ podSandboxId, verbose: true });
    const { linux } = JSON.parse(info["info"]!).config;
    expect(linux.resources).toMatchObject({ cpuShares: 256, memoryLimitInBytes: 0 });
    expect(linux.overhead).toMatchObject(overhead);
    await runtime.stopPodSandbox({ podSandboxId });
    await expect(runtime.updatePodSandboxResources({ podSandboxId, resources })).rejects.toThrow(
      `sandbox ${podSandboxId} is not ready`,
    );
    const unknown = runtime.updatePodSandboxResources({ podSandboxId: "none", resources });
    await expect(unknown).rejects.toThrow("none");
  });
}

function metricRules(bench: Bench): void {
  test("metrics have cAdvisor's names, and the labels of their descriptors", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const podSandboxId = await pods.run();
    const command = ["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=2; while :; do :; done"];
    const resources = { memoryLimitInBytes: 32 << 20, cpuQuota: 20_000, cpuPeriod: 100_000 };
    const id = await pods.start(podSandboxId, { command, config: { linux: { resources } } });
    const { descriptors } = await runtime.listMetricDescriptors({});
    const keysOf = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
    const labelled = ({ name, labelValues, value }: Metric) => {
      const keys = keysOf.get(name) ?? [];
      expect(labelValues, name).toHaveLength(keys.length);
      const labels = Object.fromEntries(keys.map((key, at) => [key, labelValues[at]!]));
      return { name, labels, value: value?.value ?? 0 };
    };
    const measured = async () => {
      const { podMetrics } = await runtime.listPodSandboxMetrics({});
      const pod = podMetrics.find((one) => one.podSandboxId === podSandboxId);
      const own = pod?.containerMetrics.find(({ containerId }) => containerId === id);
      const container = own?.metrics.map(labelled) ?? [];
      const of = (name: string) => container.find((one) => one.name === `container_${name}`);
      const waited = (of("cpu_cfs_throttled_periods_total")?.value ?? 0) > 0;
      return waited && { of, pod: pod?.metrics.map(labelled) ?? [] };
    };
    const { of, pod } = await waitFor("metrics", measured);
    expect(of("memory_working_set_bytes")?.value).toBeGreaterThan(10_000);
    expect(of("memory_cache")?.value).toBeGreaterThanOrEqual(0);
    expect(of("processes")?.value).toBeGreaterThan(0);
    expect(of("oom_events_total")?.value).toBe(0);
    expect(of("spec_cpu_quota")?.value).toBe(20_000);
    expect(of("spec_memory_limit_bytes")).toMatchObject({
      labels: { name: id, container: expect.stringMatching(/./) },
      value: 32 << 20,
    });
    expect(of("cpu_user_seconds_total")).toBeDefined();
    const received = pod.filter(({ name }) => name === "container_network_receive_packets_total");
    expect(received.map(({ labels }) => labels["interface"])).toContain("eth0");
    const streamed: string[] = [];
    for await (const piece of runtime.streamPodSandboxMetrics({})) {
      streamed.push(...piece.podSandboxMetrics.map((one) => one.podSandboxId));
    }
    expect(streamed).toEqual([podSandboxId]);
  });
}

function statisticsRules(bench: Bench): void {
  test("statistics of a container that has ended count what it left on the disk", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const pod = await pods.run({ hostNetwork: true });
    const command = ["dd", "if=/dev/zero", "of=/file", "bs=1M", "count=2"];
    const containerId = await pods.start(pod, { command });
    await pods.exited(containerId);
    const wrote = async () => {
      const { stats } = await runtime.listContainerStats({ filter: { podSandboxId: pod } });
      const left = stats.find(({ attributes }) => attributes?.id === containerId);
      return (left?.writableLayer?.usedBytes?.value ?? 0) >= 2 << 20;
    };
    await waitFor("the size of what it wrote", wrote);
  });

  test.runIf(bench.implementation.knows.cgroups)("statistics count what it uses", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const pod = await pods.run({ hostNetwork: true });
    const command = ["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=2; while :; do :; done"];
    const containerId = await pods.start(pod, { command });
    const used = async () => {
      const { stats } = await runtime.containerStats({ containerId });
      return (stats?.cpu?.usageCoreNanoSeconds?.value ?? 0) > 10_000_000 && stats;
    };
    const stats = await waitFor("statistics", used);
    expect(stats.attributes?.id).toBe(containerId);
    expect(stats.memory?.workingSetBytes?.value).toBeGreaterThan(10_000);
    const all = await runtime.listContainerStats({ filter: { podSandboxId: pod } });
    expect(all.stats.map(({ attributes }) => attributes?.id)).toEqual([containerId]);
    const wrote = async () => {
      const again = await runtime.containerStats({ containerId });
      return (again.stats?.writableLayer?.usedBytes?.value ?? 0) >= 2 << 20;
    };
    await waitFor("the size of what it wrote", wrote);
  });
}
