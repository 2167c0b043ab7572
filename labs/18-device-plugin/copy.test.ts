import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  type RunningDeviceManager,
  startDeviceManager,
} from "@raft2kube/kubelet/devices/device-manager.ts";
import { Registration } from "@raft2kube/proto/gen/deviceplugin.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { describe, expect, it } from "vitest";

const TIMEOUT_MS = 60_000;
const COPY = join(import.meta.dirname, "copy");
const PEERS = join(import.meta.dirname, "../../.peers");
const PYTHON = join(PEERS, "python/bin/python");
const GO = join(PEERS, "bin/device-plugin-go");
const GRPC_TOOLS = join(PEERS, "python/bin/python-grpc-tools-protoc");
const clock = systemClock();
const RESOURCE = "lab.example/copied";
const pod: Pod = {
  metadata: { name: "p", namespace: "lab", uid: "u" },
  spec: { containers: [{ name: "c", resources: { limits: { [RESOURCE]: "1" } } }] },
};

/** Runs a copy beside our kubelet: devices, health, a pod's variable, a kubelet that restarts. */
async function judgeCopy(program: readonly string[], id: string, variable: string): Promise<void> {
  const rootDir = mkdtempSync(join(tmpdir(), "r2k-copy-"));
  const healthFile = join(rootDir, "unhealthy");
  const pods: Pod[] = [];
  const start = () => startDeviceManager({ rootDir, activePods: { list: () => pods }, clock });
  let kubelet: RunningDeviceManager = await start();
  const [command = "", ...words] = program;
  const args = [...words, join(rootDir, "device-plugins"), RESOURCE, healthFile];
  const plugin = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  plugin.on("error", (failed) => expect.unreachable(failed.message));
  const allocatable = (count: string, after: string) =>
    waitFor(
      `${count} allocatable after ${after}`,
      () => kubelet.manager.capacity().allocatable[RESOURCE] === count,
      { clock, timeout_ms: TIMEOUT_MS / 3 },
    );
  try {
    await allocatable("2", "the start");
    writeFileSync(healthFile, `${id}-0\n`);
    await allocatable("1", "a device became unhealthy");
    expect(kubelet.manager.capacity().capacity[RESOURCE]).toBe("2");
    pods.push(pod);
    await kubelet.manager.admit(pod);
    const { envs } = await kubelet.manager.allocate(pod, pod.spec.containers[0]!);
    expect(envs).toEqual([{ key: variable, value: `${id}-1` }]);
    await kubelet.close();
    kubelet = await start();
    await allocatable("1", "the kubelet's restart");
  } finally {
    plugin.kill("SIGKILL");
    await kubelet.close();
    rmSync(rootDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** Runs a copy beside a kubelet that refuses its first registration: it must register again. */
async function judgePatience(program: readonly string[]): Promise<void> {
  const rootDir = mkdtempSync(join(tmpdir(), "r2k-copy-"));
  let registrations = 0;
  const register = () => {
    if (++registrations === 1) throw new RpcError(Status.UNAVAILABLE, "not yet");
    return Promise.resolve({});
  };
  const path = join(rootDir, "kubelet.sock");
  const services = [serve(Registration, { register })];
  const kubelet = await serveGrpc({ listen: { path }, services });
  const [command = "", ...words] = program;
  const args = [...words, rootDir, RESOURCE, join(rootDir, "unhealthy")];
  const plugin = spawn(command, args, { stdio: "ignore" });
  plugin.on("error", (failed) => expect.unreachable(failed.message));
  try {
    const again = () => registrations > 1;
    await waitFor("a second registration", again, { clock, timeout_ms: TIMEOUT_MS / 2 });
  } finally {
    plugin.kill("SIGKILL");
    await kubelet.close();
    rmSync(rootDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

const TYPESCRIPT = [process.execPath, join(COPY, "typescript/plugin.ts")];

describe("lab 18: plugins to copy, beside our kubelet", () => {
  it("TypeScript on @grpc/grpc-js", () => judgeCopy(TYPESCRIPT, "ts", "TYPESCRIPT_DEVICES"));

  it("TypeScript registers again after a refusal", () => judgePatience(TYPESCRIPT));
});

describe.skipIf(!existsSync(GO))("lab 18: the plugin in Go", () => {
  it("runs beside our kubelet", () => judgeCopy([GO], "go", "GO_DEVICES"));

  it("registers again after a refusal", () => judgePatience([GO]));
});

describe.skipIf(!existsSync(GRPC_TOOLS))("lab 18: the plugin in Python", () => {
  const program = [PYTHON, join(COPY, "python/plugin.py")];
  it("runs beside our kubelet", () => judgeCopy(program, "py", "PYTHON_DEVICES"));
});
