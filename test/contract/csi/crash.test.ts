import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Controller, type ControllerMethods } from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import { afterEach, beforeEach, expect, it } from "vitest";

const CLI = path.join(import.meta.dirname, "../../../cli/main.ts");
const ROUNDS = 6;
const clock = systemClock();
const capabilities = [{ mount: {}, accessMode: { mode: 1 } }];

let dir: string;
let driver: ChildProcess | undefined;

beforeEach(async () => {
  dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "r2k-csi-crash-")));
});
afterEach(async () => {
  await kill();
  await rm(dir, { recursive: true });
});

function start(): void {
  const socket = path.join(dir, "csi.sock");
  const flags = ["--endpoint", socket, "--nodeid", "n", "--statedir", path.join(dir, "data")];
  driver = spawn(process.execPath, [CLI, "csi-hostpath", ...flags], { stdio: "ignore" });
}

async function kill(): Promise<void> {
  if (!driver || driver.exitCode !== null || driver.signalCode !== null) return;
  const ended = new Promise((resolve) => driver?.once("exit", resolve));
  driver.kill("SIGKILL");
  await ended;
}

async function withDriver<R>(use: (controller: RpcClient<ControllerMethods>) => Promise<R>) {
  const channel = connectGrpc(`unix://${path.join(dir, "csi.sock")}`);
  const controller = client(channel, Controller);
  try {
    const answers = () => controller.getCapacity({}, { timeout_ms: 1_000 });
    await waitFor("the driver", answers, { clock });
    return await use(controller);
  } finally {
    channel.close();
  }
}

it("hostpath, killed at any moment: what it acknowledged is there, and nothing else", async () => {
  const seed = Number(process.env["R2K_SEED"] ?? randomInteger({ next: Math.random }, 1, 2 ** 31));
  const random = seededRandom(seed);
  const made = new Map<string, string>();
  const deleted = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    start();
    await withDriver(async (controller) => {
      const calls = Array.from({ length: 30 }, async (_, i) => {
        const name = `v${round}-${i}`;
        const options = { timeout_ms: 5_000 };
        const create = { name, volumeCapabilities: capabilities };
        const { volume } = await controller.createVolume(create, options);
        const { volumeId } = volume!;
        made.set(name, volumeId);
        if (i % 3 !== 0) return;
        made.delete(name);
        await controller.deleteVolume({ volumeId }, options);
        deleted.add(volumeId);
      });
      const work = Promise.allSettled(calls);
      await delay(clock, randomInteger(random, 0, 60));
      await kill();
      await work;
    });
  }
  start();
  await withDriver(async (controller) => {
    const { entries } = await controller.listVolumes({});
    const ids = entries.map(({ volume }) => volume!.volumeId);
    const context = `seed ${seed}`;
    expect(ids, context).toEqual(expect.arrayContaining([...made.values()]));
    expect(ids.filter((id) => deleted.has(id)), context).toEqual([]);
    const directories = await readdir(path.join(dir, "data", "volumes"));
    expect(directories.sort(), context).toEqual(ids.sort());
    for (const [name, volumeId] of made) {
      const create = { name, volumeCapabilities: capabilities };
      const { volume } = await controller.createVolume(create);
      expect(volume?.volumeId, context).toBe(volumeId);
    }
  });
});
