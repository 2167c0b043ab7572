import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { serveRegistration } from "@raft2kube/csi/lib/registration.ts";
import { startSampleDevicePlugin } from "@raft2kube/device/plugins/sample/main.ts";
import { startDeviceManager } from "@raft2kube/kubelet/devices/device-manager.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

/**
 * Program that scripts/peers builds, where there is Go: upstream's types and grpc-go on the other
 * side.
 */
const PEER = path.join(import.meta.dirname, "../../../.peers/bin/node-peer");

const clock = systemClock();

async function peer(...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(PEER, args);
  return JSON.parse(stdout);
}

describe.skipIf(!existsSync(PEER))("node protocols with upstream's Go clients and servers", () => {
  let rootDir: string;
  let plugins: string;

  beforeEach(async () => {
    rootDir = testFolder("r2k-peer-");
    plugins = path.join(rootDir, "device-plugins");
    await mkdir(plugins);
  });

  it("a Go device plugin under our kubelet, a Go monitor at podresources", async () => {
    const pod: Pod = {
      metadata: { name: "p", namespace: "ns", uid: "u" },
      spec: { containers: [{ name: "c", resources: { limits: { "r2k.dev/go": "1" } } }] },
    };
    const devices = await startDeviceManager({ rootDir, activePods: { list: () => [pod] }, clock });
    const plugin = spawn(PEER, ["plugin", plugins, "r2k.dev/go"], { stdio: ["ignore", "pipe", 2] });
    try {
      const { manager } = devices;
      const healthy = () => manager.capacity().allocatable["r2k.dev/go"] === "1";
      await waitFor("the plugin's devices", healthy);
      expect(manager.capacity().capacity).toEqual({ "r2k.dev/go": "2" });
      await manager.admit(pod);
      const [container] = pod.spec.containers;
      const { envs } = await manager.allocate(pod, container!);
      expect(envs).toEqual([{ key: "GO_DEVICES", value: "[go-0]" }]);
      await manager.preStart(pod, container!);
      const socket = path.join(rootDir, "pod-resources", "kubelet.sock");
      expect(await peer("podresources", socket)).toEqual({ "ns/p/c": ["go-0"] });
      plugin.kill("SIGKILL");
      await waitFor("the plugin's end to show", () => !healthy());
    } finally {
      plugin.kill("SIGKILL");
      await devices.close();
    }
  });

  it("our sample plugin under a Go kubelet", async () => {
    const sample = await startSampleDevicePlugin({ kubeletDir: rootDir, count: 3, clock });
    try {
      expect(await peer("kubelet", plugins)).toEqual({
        resource: "r2k.dev/sample",
        devices: 3,
        preferred: ["sample-0"],
        envs: { R2K_SAMPLE_DEVICES: "sample-0" },
      });
    } finally {
      await sample.close();
    }
  });

  it("our CSI driver's registration socket answers a Go kubelet", async () => {
    const driverName = "d.example";
    const socket = "/run/d/csi.sock";
    const server = await serveRegistration({ registrationDir: rootDir, driverName, socket });
    try {
      expect(await peer("registration", path.join(rootDir, "d.example-reg.sock"))).toEqual({
        type: "CSIPlugin",
        name: driverName,
        endpoint: socket,
        versions: ["1.0.0"],
      });
    } finally {
      await server.close();
    }
  });
});
