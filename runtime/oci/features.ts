import { release } from "node:os";
import { runCommand } from "../command.ts";
import type { OciProgram } from "./program.ts";

/**
 * The first kernel with mount_setattr(2), which makes all mounts of a tree read-only in one call.
 */
const KERNEL = [5, 12] as const;
/** The oldest crun that was tried; those before 1.8.6 have no command `features`. */
const CRUN = [1, 8] as const;

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
  if (kind !== "crun") return false;
  const { stdout } = await runCommand(path, ["--version"]);
  return isSince(/version (\S+)/.exec(stdout.toString("utf8"))?.[1] ?? "", CRUN);
}
