import { NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function podRules(bench: Bench): void {
  const statusOf = async (podSandboxId: string) =>
    (await bench.served.runtime.podSandboxStatus({ podSandboxId })).status!;

  describe("what a pod's containers share", () => {
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

    test("containers of a pod share its pids when asked to", async () => {
      const podSandboxId = await bench.pods.run({ sharePids: true });
      const main = await bench.pods.start(podSandboxId, { command: ["sleep", "4321"] });
      const other = await bench.pods.start(podSandboxId, {
        config: { metadata: { name: "other", attempt: 0 } },
      });
      await bench.pods.says(other, "ps", "sleep 4321");
      const third = await bench.pods.start(podSandboxId, {
        config: {
          metadata: { name: "third", attempt: 0 },
          linux: {
            securityContext: {
              namespaceOptions: {
                network: NamespaceMode.POD,
                ipc: NamespaceMode.POD,
                pid: NamespaceMode.TARGET,
                targetId: main,
              },
            },
          },
        },
      });
      await bench.pods.says(third, "ps", "sleep 4321");
    });

    test("sysctls of the pod's own network are set", async () => {
      const podSandboxId = await bench.pods.run({
        config: {
          linux: {
            cgroupParent: `${bench.host.cgroupParent}/sysctl`,
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
