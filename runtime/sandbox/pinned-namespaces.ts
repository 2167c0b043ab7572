import { statfsSync } from "node:fs";
import path from "node:path";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { deleteNetns, pinNamespace } from "@raft2kube/linux/namespace/netns.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import type { SandboxPaths } from "../paths.ts";
import { isAlive, type ProcessIdentity } from "../process-identity.ts";

/** The file system of namespaces (statfs(2)). */
const NSFS_MAGIC = 0x6e736673;

/** The namespaces of a sandbox's first process that containers join, besides the network's. */
const TYPES = ["uts", "ipc", "pid", "user"] as const;

/** Where containers join a namespace of a sandbox. */
export const pinnedNamespace = (
  { namespaces }: Pick<SandboxPaths, "namespaces">,
  type: (typeof TYPES)[number] | "time",
): string => path.join(namespaces, type);

/**
 * Pins a namespace of a process at `target`. Throws failed-precondition, and pins nothing, when the
 * process has ended: another one may have its pid, and /proc would lead to that one's namespace.
 */
export function pinOf(
  owner: ProcessIdentity,
  type: "net" | (typeof TYPES)[number],
  target: string,
): void {
  const ended = (cause?: unknown) =>
    new RuntimeError("failed-precondition", `the process of the ${type} namespace has ended`, {
      ...(cause !== undefined && { cause }),
    });
  if (!isAlive(owner)) throw ended();
  try {
    pinNamespace(`/proc/${owner.pid}/ns/${type}`, target);
  } catch (thrown) {
    if (!isAlive(owner)) throw ended(thrown);
    throw thrown;
  }
  if (isAlive(owner)) return;
  deleteNetns(target);
  throw ended();
}

/**
 * Pins the namespaces of a sandbox's first process, so that containers join these very ones also
 * when it has ended and its pid is another process's. Those that are pinned stay.
 */
export function pinNamespaces(paths: Pick<SandboxPaths, "namespaces">, pause: ProcessIdentity) {
  for (const type of TYPES) {
    const target = pinnedNamespace(paths, type);
    if (isPinned(target)) continue;
    deleteNetns(target);
    pinOf(pause, type, target);
  }
}

/** Whether a namespace is pinned there. */
export function isPinned(target: string): boolean {
  return tolerateSync(() => statfsSync(target).type === NSFS_MAGIC, errno("ENOENT")) ?? false;
}

/** Whether a ready sandbox's namespaces are there: held by its first process, or pinned alone. */
export function hasNamespaces({ pins, pause }: { pins?: string; pause?: ProcessIdentity }) {
  if (pins !== undefined) return isPinned(pinnedNamespace({ namespaces: pins }, "uts"));
  return pause !== undefined && isAlive(pause);
}

/** Unpins a sandbox's namespaces. Idempotent. */
export function unpinNamespaces(paths: Pick<SandboxPaths, "namespaces">): void {
  for (const type of [...TYPES, "time"] as const)
    unmount(pinnedNamespace(paths, type), { detach: true });
}
