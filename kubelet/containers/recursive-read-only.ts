import type { VolumeMount } from "@raft2kube/api/gen/core/v1.ts";
import type { Runtime } from "../cri/runtime.ts";
import { ContainerConfigError } from "./env.ts";

/** Whether the runtime supports mounts that are read-only recursively. */
export async function hasRecursiveReadOnly({ runtime }: Runtime): Promise<boolean> {
  const { runtimeHandlers } = await runtime.status({});
  const handler = runtimeHandlers.find(({ name }) => name === "");
  return handler?.features?.recursiveReadOnlyMounts ?? false;
}

/**
 * Whether a mount is read-only recursively: as requested where the runtime supports it; a plain
 * read-only mount for IfPossible where it does not. Throws ContainerConfigError.
 */
export async function recursiveReadOnly(
  wanted: VolumeMount,
  isSupported: () => Promise<boolean>,
): Promise<boolean> {
  const mode = wanted.recursiveReadOnly ?? "Disabled";
  if (mode === "Disabled") return false;
  const what = `volume "${wanted.name}" requested recursive read-only mode`;
  const refused = (why: string) => new ContainerConfigError(`${what}, but ${why}`);
  if (!wanted.readOnly) throw refused("it is not read-only");
  if ((wanted.mountPropagation ?? "None") !== "None") {
    throw refused(`its mount propagation is ${wanted.mountPropagation}`);
  }
  if (await isSupported()) return true;
  if (mode === "IfPossible") return false;
  throw refused("it is not supported by the runtime");
}
