import { describe, expect, test } from "vitest";
import { ContainerEventType, NamespaceMode, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Bench } from "./suite.ts";

export function sandboxRules(bench: Bench): void {
  const statusOf = async (podSandboxId: string) =>
    (await bench.served.runtime.podSandboxStatus({ podSandboxId })).status!;

  describe("sandboxes", () => {
    test("one is ready with an address, stops, and is gone when it is removed", async () => {
      const { runtime } = bench.served;
      const podSandboxId = await bench.pods.run({ config: { labels: { app: "x" } } });
      const status = await statusOf(podSandboxId);
      expect(status.state).toBe(PodSandboxState.SANDBOX_READY);
      expect(status.network?.ip).toMatch(/^10\.89\.0\./);
      expect(status.createdAt).toBeGreaterThan(1_600_000_000_000_000_000n);
      await runtime.stopPodSandbox({ podSandboxId });
      await runtime.stopPodSandbox({ podSandboxId });
      expect((await statusOf(podSandboxId)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      await runtime.removePodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
      await expect(statusOf(podSandboxId)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    test("lists are filtered by id, state and labels", async () => {
      const { runtime } = bench.served;
      const a = await bench.pods.run({ hostNetwork: true, config: { labels: { app: "a" } } });
      const b = await bench.pods.run({ hostNetwork: true, config: { labels: { app: "b" } } });
      const list = async (filter: object) =>
        (await runtime.listPodSandbox({ filter })).items.map(({ id }) => id).sort();
      expect(await list({})).toEqual([a, b].sort());
      expect(await list({ id: a })).toEqual([a]);
      expect(await list({ labelSelector: { app: "b" } })).toEqual([b]);
      await runtime.stopPodSandbox({ podSandboxId: a });
      expect(await list({ state: { state: PodSandboxState.SANDBOX_READY } })).toEqual([b]);
    });

    test("containers see the pod's name, DNS, shared memory and addresses", async () => {
      const podSandboxId = await bench.pods.run({
        config: {
          hostname: "my-pod",
          dnsConfig: { servers: ["10.96.0.10"], searches: ["a.b", "c"], options: ["ndots:5"] },
        },
      });
      const id = await bench.pods.start(podSandboxId);
      const { shell } = bench.pods;
      const run = (script: string) => shell.call(bench.pods, id, script);
      expect(await run("hostname; echo $HOSTNAME")).toBe("my-pod\nmy-pod");
      const lines = (await run("cat /etc/resolv.conf")).split("\n").sort();
      expect(lines).toEqual(["nameserver 10.96.0.10", "options ndots:5", "search a.b c"]);
      const { ip } = (await statusOf(podSandboxId)).network!;
      expect(await run("ip -4 addr show eth0")).toContain(ip);
      expect(await run("ip addr show lo")).toContain("LOWER_UP");
      expect(await run("stat -f -c %T /dev/shm")).toBe("tmpfs");
    });

    test("on the host's network a pod has no address of its own", async () => {
      const podSandboxId = await bench.pods.run({ hostNetwork: true });
      expect((await statusOf(podSandboxId)).network?.ip ?? "").toBe("");
      const id = await bench.pods.start(podSandboxId);
      expect(await bench.pods.shell(id, "ip link")).toContain("r2kcri0");
    });

    test("containers of a pod share its pids when asked to", async () => {
      const podSandboxId = await bench.pods.run({ sharePids: true });
      const main = await bench.pods.start(podSandboxId, { command: ["sleep", "4321"] });
      const other = await bench.pods.start(podSandboxId, {
        config: { metadata: { name: "other", attempt: 0 } },
      });
      expect(await bench.pods.shell(other, "ps")).toContain("sleep 4321");
      const third = await bench.pods.start(podSandboxId, {
        config: {
          metadata: { name: "third", attempt: 0 },
          linux: {
            securityContext: {
              namespaceOptions: {
                network: NamespaceMode.POD, ipc: NamespaceMode.POD, pid: NamespaceMode.TARGET,
                targetId: main,
              },
            },
          },
        },
      });
      expect(await bench.pods.shell(third, "ps")).toContain("sleep 4321");
    });

    test("statistics of a pod have its network", async () => {
      const podSandboxId = await bench.pods.run();
      const { stats } = await bench.served.runtime.podSandboxStats({ podSandboxId });
      expect(stats?.attributes?.id).toBe(podSandboxId);
      expect(stats?.linux?.network?.defaultInterface?.name).toBe("eth0");
    });

    test.runIf(bench.implementation.knows.events)("events tell what happens", async () => {
      const { runtime } = bench.served;
      const listening = new AbortController();
      const kinds: number[] = [];
      const reading = (async () => {
        const stream = runtime.getContainerEvents({}, { signal: listening.signal });
        for await (const event of stream) kinds.push(event.containerEventType);
      })().catch(() => undefined);
      const podSandboxId = await bench.pods.run({ hostNetwork: true });
      const containerId = await bench.pods.start(podSandboxId, { command: ["true"] });
      await bench.pods.exited(containerId);
      await runtime.removeContainer({ containerId });
      const { CONTAINER_STOPPED_EVENT: stopped, CONTAINER_DELETED_EVENT: deleted } =
        ContainerEventType;
      const clock = systemClock();
      await waitFor("the events", () => kinds.includes(deleted), { clock });
      expect(kinds).toContain(stopped);
      expect(kinds.indexOf(stopped)).toBeLessThan(kinds.indexOf(deleted));
      listening.abort();
      await reading;
    });

    test("sysctls of the pod's own network are set", async () => {
      const podSandboxId = await bench.pods.run({
        config: {
          linux: {
            cgroupParent: `${bench.world.cgroupParent}/sysctl`,
            sysctls: { "net.ipv4.ip_local_port_range": "2000 3000" },
            securityContext: { namespaceOptions: bench.pods.namespaceOptions({}) },
          },
        },
      });
      const id = await bench.pods.start(podSandboxId);
      expect(await bench.pods.shell(id, "cat /proc/sys/net/ipv4/ip_local_port_range")).toBe(
        "2000\t3000",
      );
    });
  });
}
