import type { ChildProcess } from "node:child_process";
import { mkdir, readdir, realpath } from "node:fs/promises";
import path from "node:path";
import { deviceNumber, loopDevicesOf } from "@raft2kube/linux/mount/loop-device.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import {
  Controller,
  type ControllerMethods,
  Node,
  type NodeMethods,
} from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../bundled.ts";

const ROUNDS = 4;
const clock = systemClock();
const capabilities = [{ mount: {}, accessMode: { mode: 1 } }];

let dir: string;
let driver: ChildProcess | undefined;

beforeAll(readyBundle);
beforeEach(async () => {
  dir = await realpath(testFolder("r2k-csi-crash-"));
});
afterEach(async () => {
  await kill();
  for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
});

function start(): void {
  const socket = path.join(dir, "csi.sock");
  const flags = ["--endpoint", socket, "--nodeid", "n", "--statedir", path.join(dir, "data")];
  driver = spawnBundled(["csi-hostpath", ...flags], { stdio: "ignore" });
}

async function kill(): Promise<void> {
  if (driver) await killed(driver);
}

type Use<R> = (
  controller: RpcClient<ControllerMethods>,
  node: RpcClient<NodeMethods>,
) => Promise<R>;

async function withDriver<R>(use: Use<R>): Promise<R> {
  const channel = connectGrpc(`unix://${path.join(dir, "csi.sock")}`);
  const controller = client(channel, Controller);
  try {
    const answers = () => controller.getCapacity({}, { timeout_ms: 1_000 });
    await waitFor("the driver", answers);
    return await use(controller, client(channel, Node));
  } finally {
    channel.close();
  }
}

/** Loop devices over volumes that nothing has mounted. */
async function unmountedLoops(): Promise<string[]> {
  const devices = new Set(readMountInfo().map(({ device }) => device));
  const volumes = path.join(dir, "data", "volumes");
  const loops = (await readdir(volumes)).flatMap((id) => loopDevicesOf(path.join(volumes, id)));
  return loops.filter((name) => !devices.has(deviceNumber(name)));
}

/** A claim's way through the driver, ended by the kill wherever it is. */
async function mountGrowAndUnmount(
  volumeId: string,
  ...[controller, node]: Parameters<Use<void>>
): Promise<void> {
  const options = { timeout_ms: 5_000 };
  const stagingTargetPath = path.join(dir, `staging-${volumeId}`);
  const targetPath = path.join(dir, `target-${volumeId}`);
  await mkdir(stagingTargetPath, { recursive: true });
  const volumeCapability = capabilities[0]!;
  const request = { volumeId, stagingTargetPath, volumeCapability };
  for (let i = 1; ; i++) {
    await node.nodeStageVolume(request, options);
    await node.nodePublishVolume({ ...request, targetPath }, options);
    await node.nodeUnpublishVolume({ volumeId, targetPath }, options);
    await node.nodeUnstageVolume({ volumeId, stagingTargetPath }, options);
    const capacityRange = { requiredBytes: (i << 20) + 1 };
    await controller.controllerExpandVolume({ volumeId, capacityRange }, options);
  }
}

it("hostpath, killed while it mounts and grows: no loop device is left, each heals", async () => {
  const seed = Number(process.env["R2K_SEED"] ?? randomInteger({ next: Math.random }, 1, 2 ** 31));
  const random = seededRandom(seed);
  const context = `seed ${seed}`;
  const ids: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    start();
    await withDriver(async (controller, node) => {
      for (let i = ids.length; i < 3; i++) {
        const capacityRange = { requiredBytes: 1 << 20 };
        const create = { name: `v${i}`, volumeCapabilities: capabilities, capacityRange };
        ids.push((await controller.createVolume(create)).volume!.volumeId);
      }
      const work = Promise.allSettled(ids.map((id) => mountGrowAndUnmount(id, controller, node)));
      await delay(clock, randomInteger(random, 0, 400));
      await kill();
      await work;
    });
    await waitFor(context, async () => (await unmountedLoops()).length === 0);
  }
  start();
  await withDriver(async (controller, node) => {
    const volumes = path.join(dir, "data", "volumes");
    expect((await readdir(volumes)).sort(), context).toEqual(ids.toSorted());
    for (const volumeId of ids) {
      const stagingTargetPath = path.join(dir, `staging-${volumeId}`);
      const volumeCapability = capabilities[0]!;
      const targetPath = path.join(dir, `target-${volumeId}`);
      await node.nodeStageVolume({ volumeId, stagingTargetPath, volumeCapability });
      await node.nodeUnpublishVolume({ volumeId, targetPath });
      await node.nodeUnstageVolume({ volumeId, stagingTargetPath });
      const file = path.join(volumes, volumeId);
      // A mount namespace that started meanwhile, of any program, has a copy of the mount.
      await waitFor(`no loop device, ${context}`, () => loopDevicesOf(file).length === 0);
      await controller.deleteVolume({ volumeId });
    }
    expect(mountPointsBelow(dir), context).toEqual([]);
    expect(await readdir(volumes), context).toEqual([]);
  });
});

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
    expect(
      ids.filter((id) => deleted.has(id)),
      context,
    ).toEqual([]);
    const directories = await readdir(path.join(dir, "data", "volumes"));
    expect(directories.sort(), context).toEqual(ids.sort());
    for (const [name, volumeId] of made) {
      const create = { name, volumeCapabilities: capabilities };
      const { volume } = await controller.createVolume(create);
      expect(volume?.volumeId, context).toBe(volumeId);
    }
  });
});
