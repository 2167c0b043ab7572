import { describe, expect, test } from "vitest";
import { SecurityProfile_ProfileType as ProfileType } from "@raft2kube/proto/gen/cri.ts";
import type { Bench } from "./suite.ts";

export function securityRules(bench: Bench): void {
  const startWith = async (securityContext: object) => {
    const { pods } = bench;
    const pod = await pods.run();
    return pods.start(pod, { config: { linux: { securityContext: {
      namespaceOptions: pods.namespaceOptions({}), ...securityContext,
    } } } });
  };
  const statusLine = async (id: string, name: string) => {
    const line = await bench.pods.shell(id, `grep ^${name}: /proc/self/status`);
    return line.split(":")[1]!.trim();
  };

  describe("security", () => {
    test("user, group and supplemental groups", async () => {
      const id = await startWith({
        runAsUser: { value: 1000 }, runAsGroup: { value: 2000 }, supplementalGroups: [3000],
      });
      expect(await bench.pods.shell(id, "id -u; id -g; id -G")).toMatch(
        /^1000\n2000\n2000( 2000)? 3000$/,
      );
      expect(await statusLine(id, "CapEff")).toBe("0000000000000000");
    });

    test("capabilities are dropped and added", async () => {
      const id = await startWith({
        capabilities: { dropCapabilities: ["ALL"], addCapabilities: ["NET_ADMIN"] },
      });
      expect(BigInt(`0x${await statusLine(id, "CapBnd")}`)).toBe(1n << 12n);
    });

    test("no new privileges and seccomp reach the process", async () => {
      const id = await startWith({
        noNewPrivs: true, seccomp: { profileType: ProfileType.RuntimeDefault },
      });
      expect(await statusLine(id, "NoNewPrivs")).toBe("1");
      expect(await statusLine(id, "Seccomp")).toBe("2");
      const refused = await bench.pods.shell(id, "unshare -U true 2>&1 || echo refused");
      expect(refused).toContain("refused");
    });

    test("a read-only root, masked and read-only paths", async () => {
      const id = await startWith({
        readonlyRootfs: true, maskedPaths: ["/proc/version"], readonlyPaths: ["/proc/sys"],
      });
      const { pods } = bench;
      expect(await pods.shell(id, "touch /x 2>&1 || true")).toMatch(/Read-only/);
      expect(await pods.shell(id, "wc -c < /proc/version")).toBe("0");
      expect(await pods.shell(id, "grep -c ' /proc/sys proc ro' /proc/mounts")).toBe("1");
    });

    test("a privileged container has devices and may mount", async () => {
      const { pods } = bench;
      const securityContext = { privileged: true, namespaceOptions: pods.namespaceOptions({}) };
      const pod = await pods.run({ config: { linux: {
        cgroupParent: `${bench.world.cgroupParent}/privileged`, securityContext,
      } } });
      const id = await pods.start(pod, { config: { linux: { securityContext } } });
      await pods.shell(id, "mkdir /m && mount -t tmpfs none /m && touch /m/file");
      expect(await pods.shell(id, "stat -c %t:%T /dev/kmsg")).toBe("1:b");
    });

    test("no descriptor of the runtime is open in a container", async () => {
      const id = await startWith({});
      const names = await bench.pods.shell(id, "ls /proc/1/fd");
      expect(names.split("\n").every((name) => Number(name) <= 2)).toBe(true);
    });

    test("a device that is asked for is there, others are not", async () => {
      const { pods } = bench;
      const pod = await pods.run();
      const devices = [{ hostPath: "/dev/kmsg", containerPath: "/dev/mine", permissions: "r" }];
      const id = await pods.start(pod, { config: { devices } });
      expect(await pods.shell(id, "stat -c %t:%T /dev/mine")).toBe("1:b");
      expect(await pods.shell(id, "mknod /dev/k c 1 2 && (cat /dev/k 2>&1 || true)")).toMatch(
        /not permitted|denied/,
      );
    });
  });
}
