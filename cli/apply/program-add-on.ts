import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DEPLOYMENTS } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { applyFolder } from "./add-ons.ts";
import type { Context } from "./context.ts";
import { loadImage, nodesWithImages } from "./load-image.ts";
import { buildOf, type Program, programArchive } from "./program-image.ts";

const READY_TIMEOUT_MS = 90_000;

/**
 * Loads a program's image into each node that runs, then applies the objects of a folder, whose
 * `${image}` it is. Its tag is that of the build: another release replaces the pods.
 */
export async function bringProgram(
  client: KubeClient,
  cluster: ClusterConfig,
  program: Program,
  folder: string,
): Promise<void> {
  const build = buildOf(program.bundle, program.folders);
  const image = program.image.replace(/:\w+$/, `:${build}`);
  for (const node of await nodesWithImages(cluster)) {
    await loadImage(node, await programArchive(program, image), image);
  }
  await applyFolder(client, folder, { ...cluster, image });
}

/** Waits until a Deployment has an available pod of its newest template. */
export async function untilAvailable(
  client: KubeClient,
  name: { namespace: string; name: string },
  { clock, signal }: Context,
): Promise<void> {
  const deployments = client.resource(DEPLOYMENTS);
  await waitFor(
    `the Deployment ${name.namespace}/${name.name} to be available`,
    async () => {
      const { metadata, status = {} } = await deployments.get(name);
      const { observedGeneration = 0, availableReplicas = 0, updatedReplicas = 0 } = status;
      const isSeen = observedGeneration >= (metadata.generation ?? 0);
      // Pods of earlier templates are among the available ones until they are gone.
      const former = (status.replicas ?? 0) - updatedReplicas;
      return isSeen && availableReplicas > former;
    },
    { clock: machineClock(clock), timeout_ms: READY_TIMEOUT_MS, signal },
  );
}
