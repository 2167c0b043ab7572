import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type ContainerConfig, SecurityProfile_ProfileType } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function confinementRules(bench: Bench): void {
  firstProcessRule(bench);
  describe("what a container may reach", () => {
    fileRules(bench);
    deviceRules(bench);
  });
}

async function startWith({ pods }: Bench, more: object): Promise<string> {
  const securityContext = { namespaceOptions: pods.namespaceOptions({}), ...more };
  return pods.start(await pods.run(), { config: { linux: { securityContext } } });
}

function fileRules(bench: Bench): void {
  test("a read-only root, masked and read-only paths", async () => {
    const id = await startWith(bench, {
      readonlyRootfs: true,
      maskedPaths: ["/proc/version"],
      readonlyPaths: ["/proc/sys"],
    });
    const { pods } = bench;
    expect(await pods.shell(id, "touch /x 2>&1 || true")).toMatch(/Read-only/);
    expect(await pods.shell(id, "wc -c < /proc/version")).toBe("0");
    expect(await pods.shell(id, "grep -c ' /proc/sys proc ro' /proc/mounts")).toBe("1");
  });

  test.runIf(bench.implementation.knows.boundedFiles)(
    "what it writes to resolv.conf, hostname, hosts and /dev/shm is bounded, and what it opens",
    async () => {
      const { pods } = bench;
      const id = await startWith(bench, {});
      for (const file of ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]) {
        const grow = `dd if=/dev/zero of=${file} bs=1M count=4 2>&1 || true`;
        expect(await pods.shell(id, grow)).toContain("No space left");
      }
      const fill = "dd if=/dev/zero of=/dev/shm/f bs=1M count=65 2>&1 || true";
      expect(await pods.shell(id, fill)).toContain("No space left");
      const [, own] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))!;
      expect(await pods.shell(id, "ulimit -n")).toBe(own);
      expect(await pods.shell(id, "grep -o 'devpts.*max=128' /proc/mounts")).not.toBe("");
    },
  );
}

function deviceRules(bench: Bench): void {
  test("a privileged container has devices and may mount", async () => {
    const { pods } = bench;
    const securityContext = { privileged: true, namespaceOptions: pods.namespaceOptions({}) };
    const pod = await pods.run({
      config: { linux: { cgroupParent: `${bench.host.cgroupParent}/privileged`, securityContext } },
    });
    const id = await pods.start(pod, { config: { linux: { securityContext } } });
    await pods.shell(id, "mkdir /m && mount -t tmpfs none /m && touch /m/file");
    expect(await pods.shell(id, "stat -c %t:%T /dev/kmsg")).toBe("1:b");
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

  test("the machine's console is not a container's, also after an update", async () => {
    const { pods } = bench;
    const { runtime } = bench.served;
    const id = await startWith(bench, {});
    const opens = "rm -f /c; mknod /c c 5 1 && (: > /c) 2>&1 || true";
    expect(await pods.shell(id, opens)).toMatch(/not permitted|denied/);
    await runtime.updateContainerResources({ containerId: id, linux: { cpuShares: 2_000 } });
    expect(await pods.shell(id, opens)).toMatch(/not permitted|denied/);
    expect(await pods.shell(id, "echo x > /dev/null; head -c 1 /dev/urandom | wc -c")).toBe("1");
  });
}

/** The exit code of `open-as.c` where it cannot trace. */
const NOT_TRACED = 2;

/** Starts a container whose user may trace the pod's first process: both have the same. */
async function besideFirstProcess(bench: Bench, mounts: Init<ContainerConfig>["mounts"] = []) {
  const securityContext = {
    namespaceOptions: bench.pods.namespaceOptions({ sharePids: true }),
    seccomp: { profileType: SecurityProfile_ProfileType.RuntimeDefault },
  };
  const linux = { securityContext };
  const cgroupParent = `${bench.host.cgroupParent}/first-process`;
  const podSandboxId = await bench.pods.run({ config: { linux: { ...linux, cgroupParent } } });
  const user = { runAsUser: { value: 65_535 }, runAsGroup: { value: 65_535 } };
  return await bench.pods.start(podSandboxId, {
    config: { mounts, linux: { securityContext: { ...securityContext, ...user } } },
  });
}

function firstProcessRule(bench: Bench): void {
  test("the pod's first process is as confined as they are", async () => {
    const id = await besideFirstProcess(bench);
    const mounts = await bench.pods.shell(id, "cat /proc/1/mounts");
    expect(mounts).toMatch(/ \/proc\/sys proc ro[, ]/);
    expect(mounts).toMatch(/ \/proc\/keys /);
    expect(await bench.pods.shell(id, "grep Seccomp: /proc/1/status")).toBe("Seccomp:\t2");
  });

  test.runIf(process.arch === "x64")(
    "a container opens no device as the pod's first process, which it traces",
    async () => {
      const hostPath = mkdtempSync(join(bench.host.dir, "devices-"));
      chmodSync(hostPath, 0o755);
      const source = join(import.meta.dirname, "open-as.c");
      execFileSync("gcc", ["-static", "-Os", "-Wall", "-Werror", "-o", `${hostPath}/open`, source]);
      // The machine's console, loop devices (another's volume), its log; what each may open.
      const devices = ["c 5 1", "b 7 0", "c 10 237", "c 1 11"].map((device, i) => {
        execFileSync("mknod", ["-m", "666", `${hostPath}/${i}`, ...device.split(" ")]);
        return `/devices/${i}`;
      });
      const id = await besideFirstProcess(bench, [{ containerPath: "/devices", hostPath }]);
      const file = "/etc/passwd";
      const opened = bench.pods.shell(id, `/devices/open 1 ${[...devices, file].join(" ")}`);
      if (!bench.implementation.knows.tracedFirstProcess) {
        return expect(opened).rejects.toThrow(new RegExp(`: ${NOT_TRACED} $`));
      }
      const said = await opened;
      const { EPERM } = constants.errno;
      expect(said.split("\n").map(Number)).toEqual([...devices.map(() => EPERM), 0]);
    },
  );
}
