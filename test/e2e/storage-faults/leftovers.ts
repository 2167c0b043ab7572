import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { attachedLoopDevices } from "@raft2kube/linux/mount/loop-device.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { WaitTimeoutError } from "@raft2kube/std/wait.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME } from "./objects.ts";
import type { StorageStack } from "./storage-stack.ts";

/** How long components may take to clean up when all of them run again. */
const HEALING_MS = 30_000;

/** Returns what is left of volumes without claims, once all components have had their time. */
export async function leftAfterHealing(stack: StorageStack): Promise<string[]> {
  let left: string[] = [];
  const none = async () => {
    left = await leftovers(stack);
    return left.length === 0;
  };
  try {
    await waitFor("no leftovers", none, { timeout_ms: HEALING_MS });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof WaitTimeoutError)) throw thrown;
    return left;
  }
}

async function leftovers(stack: StorageStack): Promise<string[]> {
  return [
    ...mountPointsBelow(stack.dir).map((point) => `mount ${below(stack, point)}`),
    ...attachedLoopDevices()
      .filter(({ file }) => file.startsWith(stack.dir))
      .map(({ name, file }) => `${name} of ${below(stack, file)}`),
    ...(await directories(stack)),
    ...Object.keys(stack.host.driver.attached()).map((id) => `${id} attached in the driver`),
    ...Object.keys(stack.host.driver.hostPath.state.current.volumes).map((id) => `record of ${id}`),
    ...(await objects(stack)),
  ];
}

const below = (stack: StorageStack, file: string): string => file.slice(stack.dir.length + 1);

async function directories(stack: StorageStack): Promise<string[]> {
  const driver = stack.host.driver.hostPath.dataDir;
  const staged = "plugins/kubernetes.io/csi/attaching.csi.r2k.dev";
  const parents = [
    join(stack.kubeletDir, "pods"),
    join(stack.kubeletDir, staged),
    join(driver, "volumes"),
    join(driver, "snapshots"),
  ];
  const found = await Promise.all(
    parents.map(async (parent) =>
      (await namesIn(parent)).map((name) => `directory ${below(stack, join(parent, name))}`),
    ),
  );
  const files = await readdir(driver);
  const strays = files.filter((name) => name.includes(".tmp"));
  return [...found.flat(), ...strays.map((name) => `file ${name}`)];
}

async function objects(stack: StorageStack): Promise<string[]> {
  const { client } = stack.plane;
  const left: string[] = [];
  const types = [PODS, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS];
  for (const type of types as ResourceType[]) {
    const { items } = await client.resource(type).list();
    left.push(...items.map(({ metadata }) => `${type.plural} ${metadata.name}`));
  }
  const { status } = await client.resource(NODES).get({ name: NODE_NAME });
  left.push(...(status?.volumesInUse ?? []).map((name) => `${name} in volumesInUse`));
  left.push(...(status?.volumesAttached ?? []).map(({ name }) => `${name} in volumesAttached`));
  return left;
}
