import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import {
  NODES, PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, PODS, VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { attachedLoopDevices } from "@raft2kube/linux/mount/loop-device.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor, WaitTimeoutError } from "@raft2kube/std/wait.ts";
import { NODE_NAME } from "./objects.ts";
import type { World } from "./world.ts";

/** How long components may take to clean up when all of them run again. */
const HEALING_MS = 30_000;

/** Returns what is left of volumes without claims, once all components have had their time. */
export async function leftAfterHealing(world: World): Promise<string[]> {
  let left: string[] = [];
  const none = async () => {
    left = await leftovers(world);
    return left.length === 0;
  };
  try {
    await waitFor("no leftovers", none, { clock: systemClock(), timeout_ms: HEALING_MS });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof WaitTimeoutError)) throw thrown;
    return left;
  }
}

async function leftovers(world: World): Promise<string[]> {
  return [
    ...mountPointsBelow(world.dir).map((point) => `mount ${below(world, point)}`),
    ...attachedLoopDevices()
      .filter(({ file }) => file.startsWith(world.dir))
      .map(({ name, file }) => `${name} of ${below(world, file)}`),
    ...(await directories(world)),
    ...Object.keys(world.host.driver.attached()).map((id) => `${id} attached in the driver`),
    ...Object.keys(world.host.driver.hostPath.state.current.volumes).map((id) => `record of ${id}`),
    ...(await objects(world)),
  ];
}

function below(world: World, file: string): string {
  return file.slice(world.dir.length + 1);
}

async function directories(world: World): Promise<string[]> {
  const driver = world.host.driver.hostPath.dataDir;
  const staged = "plugins/kubernetes.io/csi/attaching.csi.r2k.dev";
  const parents = [
    join(world.kubeletDir, "pods"), join(world.kubeletDir, staged),
    join(driver, "volumes"), join(driver, "snapshots"),
  ];
  const found = await Promise.all(parents.map(async (parent) =>
    (await namesIn(parent)).map((name) => `directory ${below(world, join(parent, name))}`)));
  const files = await readdir(driver);
  const strays = files.filter((name) => name.includes(".tmp"));
  return [...found.flat(), ...strays.map((name) => `file ${name}`)];
}

async function objects(world: World): Promise<string[]> {
  const { client } = world.plane;
  const left: string[] = [];
  for (const type of [
    PODS, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS,
  ]) {
    const { items } = await client.resource(type).list();
    left.push(...items.map(({ metadata }) => `${type.plural} ${metadata.name}`));
  }
  const { status } = await client.resource<Node>(NODES).get({ name: NODE_NAME });
  left.push(...(status?.volumesInUse ?? []).map((name) => `${name} in volumesInUse`));
  left.push(...(status?.volumesAttached ?? []).map(({ name }) => `${name} in volumesAttached`));
  return left;
}
