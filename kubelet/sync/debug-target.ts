import type { Container, EphemeralContainer } from "@raft2kube/api/gen/core/v1.ts";
import { ContainerConfigError } from "../containers/env.ts";
import { latest, type ObservedPod } from "../cri/observed.ts";

/**
 * Returns the container of `targetContainerName`, whose pid namespace a debug container joins.
 * Throws ContainerConfigError, with upstream's message, when it does not run.
 */
export function debugTarget(
  container: Container | EphemeralContainer,
  observed: ObservedPod,
  sandboxId: string,
): string | undefined {
  const name = "targetContainerName" in container ? container.targetContainerName : undefined;
  if (name === undefined || name === "") return undefined;
  const target = latest(observed, name, sandboxId);
  if (target === undefined) {
    throw new ContainerConfigError(`unable to find target container "${name}"`);
  }
  if (target.state !== "running") {
    throw new ContainerConfigError(
      `container "${name}" is not running: a debug container cannot join its processes`,
    );
  }
  return target.id;
}
