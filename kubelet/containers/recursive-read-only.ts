import type { VolumeMount } from "@raft2kube/api/gen/core/v1.ts";
import type { Runtime } from "../cri/runtime.ts";
import { ContainerConfigError } from "./env.ts";

/**
 * Whether a mount is read-only recursively: as requested where the runtime supports it; a plain
 * read-only mount for IfPossible where it does not. Throws ContainerConfigError.
 */
export async function recursiveReadOnly(wanted: VolumeMount, runtime: Runtime): Promise<boolean> {
  const mode = wanted.recursiveReadOnly ?? "Disabled";
  if (mode === "Disabled") return false;
  const what = `volume "${wanted.name}" requested recursive read-only mode`;
  const refused = (why: string) => new ContainerConfigError(`${what}, but ${why}`);
  if (!wanted.readOnly) throw refused("it is not read-only");
  if ((wanted.mountPropagation ?? "None") !== "None") {
    throw refused(`its mount propagation is ${wanted.mountPropagation}`);
  }
  const { runtimeHandlers } = await runtime.runtime.status({});
  const handler = runtimeHandlers.find(({ name }) => name === "");
  if (handler?.features?.recursiveReadOnlyMounts) return true;
  if (mode === "IfPossible") return false;
  throw refused("it is not supported by the runtime");
}
