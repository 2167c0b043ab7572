import { release } from "node:os";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { runCommand } from "../command.ts";
import type { OciProgram } from "./program.ts";

/**
 * The first kernel with mount_setattr(2), which makes all mounts of a tree read-only in one call.
 */
const KERNEL = [5, 12] as const;
/** The oldest crun that was tried; those before 1.8.6 have no command `features`. */
const CRUN = [1, 8] as const;
/**
 * The first kernel in which tmpfs can be mounted with mapped ids: Secrets are on one. Overlayfs has
 * it of its layers since 5.19.
 */
const MAPPED_TMPFS_KERNEL = [6, 3] as const;

/** Whether a version such as `6.1.0-18-amd64` is not before another. */
function isSince(version: string, [major, minor]: readonly [number, number]): boolean {
  const [its = 0, next = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return its > major || (its === major && next >= minor);
}

/**
 * Whether the program makes bind mounts read-only with all mounts beneath them (runtime-spec,
 * config.md, option `rro`), on this kernel. Asks the program (runtime-spec, features.md).
 */
export async function knowsRecursiveReadOnly(
  { path, kind }: OciProgram,
  kernel = release(),
): Promise<boolean> {
  if (!isSince(kernel, KERNEL)) return false;
  const features = await runCommand(path, ["features"]);
  if (features.code === 0) {
    const known = JSON.parse(features.stdout.toString("utf8")) as { mountOptions?: string[] };
    return known.mountOptions?.includes("rro") ?? false;
  }
  return kind === "crun" && (await isKnownCrun(path));
}

async function isKnownCrun(path: string): Promise<boolean> {
  const { stdout } = await runCommand(path, ["--version"]);
  return isSince(/version (\S+)/.exec(stdout.toString("utf8"))?.[1] ?? "", CRUN);
}

/**
 * Whether pods can have user namespaces of their own: by a crun that mounts volumes with mapped
 * ids, on this kernel, and as the machine's root, as only that one may map a file system's ids.
 */
export async function knowsUserNamespaces({ path, kind }: OciProgram): Promise<boolean> {
  const hasMappedIds = isSince(release(), MAPPED_TMPFS_KERNEL) && !inUserNamespace(readMappedIds());
  return kind === "crun" && hasMappedIds && (await isKnownCrun(path));
}
