import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DEPLOYMENTS } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { applyFolder } from "./add-ons.ts";
import type { Context } from "./context.ts";
import { loadImage, nodesWithImages } from "./load-image.ts";
import { type Program, programArchive } from "./program-image.ts";

const READY_TIMEOUT_MS = 90_000;

/** Loads a program's image into each node that runs, then applies the objects of a folder. */
export async function bringProgram(
  client: KubeClient,
  cluster: ClusterConfig,
  program: Program,
  folder: string,
): Promise<void> {
  for (const node of await nodesWithImages(cluster)) {
    await loadImage(node, await programArchive(program), program.image);
  }
  await applyFolder(client, folder, cluster);
}

/** Waits until a Deployment has an available pod. */
export async function untilAvailable(
  client: KubeClient,
  name: { namespace: string; name: string },
  { clock, signal }: Context,
): Promise<void> {
  const deployments = client.resource<Deployment>(DEPLOYMENTS);
  await waitFor(
    `the Deployment ${name.namespace}/${name.name} to be available`,
    async () => {
      return ((await deployments.get(name)).status?.availableReplicas ?? 0) > 0;
    },
    { clock: machineClock(clock), timeout_ms: READY_TIMEOUT_MS, signal },
  );
}
