import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { type FileLock, tryLock } from "@raft2kube/linux/flock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type ClusterConfig, type ClusterPlace, configPath } from "../cluster/config.ts";
import { CommandError } from "../terminal.ts";

/** How long a command waits for others that change nodes: an addition takes seconds. */
const WAIT_MS = 120_000;
const LOOK_MS = 100;

/**
 * Waits until no other command changes the cluster's nodes; none does until the result is disposed
 * of or the process ends. Two additions at once would choose the same address. Throws CommandError
 * `BUSY` after `wait_ms`.
 */
export async function lockNodes(
  { name, dataDir }: Pick<ClusterPlace, "name" | "dataDir">,
  clock: Clock,
  wait_ms = WAIT_MS,
): Promise<FileLock> {
  const path = join(dataDir, "nodes.lock");
  const end_ms = clock.monotonic() + wait_ms;
  for (;;) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (clock.monotonic() >= end_ms) break;
    await delay(clock, LOOK_MS);
  }
  throw new CommandError("BUSY", `another command changes nodes of "${name}"`, {
    remedy: "wait until it has ended, then repeat this one",
  });
}

/**
 * Throws CommandError `NODE_EXISTS` if the cluster has a Node of this name, which is then another
 * machine's: an addition would take over its identity, and undoing it would delete the Node.
 */
export async function refuseTakenName(client: KubeClient, name: string): Promise<void> {
  const node = await undefinedIfNotFound(client.resource<Node>(NODES).get({ name }));
  if (node === undefined) return;
  throw new CommandError("NODE_EXISTS", `the cluster has a Node ${name} that r2k did not add`, {
    remedy: `choose another name; or, if its machine is gone: kubectl delete node ${name}`,
  });
}

/**
 * Returns those of `nodes` that are new: they have no files, so undoing their start removes them
 * and their Nodes. Throws CommandError `NODE_EXISTS` if another machine has the name of one.
 */
export async function newNodes(
  client: KubeClient,
  nodes: readonly ClusterConfig[],
): Promise<ClusterConfig[]> {
  const added = nodes.filter(({ dataDir }) => !existsSync(configPath(dataDir)));
  for (const { nodeName } of added) await refuseTakenName(client, nodeName);
  return added;
}
