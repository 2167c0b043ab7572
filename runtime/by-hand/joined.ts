import type { OciNamespace } from "../oci/spec.ts";
import { isAlive, type ProcessIdentity } from "../process-identity.ts";
import { ByHandError } from "./error.ts";

/** Names in /proc/PID/ns that are not the runtime spec's. */
const FILES: Readonly<Record<string, string>> = { mount: "mnt", network: "net" };

/** The path of a running process's namespace. */
export function namespaceOf({ pid }: ProcessIdentity, type: OciNamespace["type"]): string {
  return `/proc/${pid}/ns/${FILES[type] ?? type}`;
}

/**
 * Throws if a container's first process has ended. Called when its namespaces are open: what was
 * opened is then its own, and not of a later process with the same pid.
 */
export function requireAlive(id: string, first: ProcessIdentity): void {
  if (isAlive(first)) return;
  throw new ByHandError("failed-precondition", `container ${id} is not running`);
}
