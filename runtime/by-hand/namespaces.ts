import { closeSync, openSync } from "node:fs";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import type { OciNamespace } from "../oci/spec.ts";

/** Flags of clone(2), by the names of the runtime spec. */
export const CLONE = {
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
} as const;

/**
 * The flags of unshare(2) for the namespaces that a container gets for itself: those without a
 * path. Pure.
 */
export function unshareFlags(namespaces: readonly OciNamespace[]): number {
  // lab:01 begin unshare-flags
  return namespaces
    .filter(({ path }) => path === undefined)
    .reduce((flags, { type }) => flags | CLONE[type], 0);
  // lab:01 end
}

/** The nsenter(1) and unshare(1) of namespaces. */
function namespacesCommand(namespaces: readonly OciNamespace[]): string {
  const flag = (type: string) => `--${type === "network" ? "net" : type}`;
  const joined = namespaces.filter(({ path }) => path !== undefined);
  const own = namespaces.filter(({ path }) => path === undefined);
  const words = (command: string, flags: readonly string[]) =>
    flags.length === 0 ? [] : [[command, ...flags].join(" ")];
  return [
    ...words(
      "nsenter",
      joined.map(({ type, path }) => `${flag(type)}=${path}`),
    ),
    ...words(
      "unshare",
      own.map(({ type }) => flag(type)),
    ),
  ].join(" ");
}

/**
 * Moves the calling thread into the namespaces that have a path, then into new ones of the others.
 * All paths are opened first: in another mount namespace they lead elsewhere. `opened` is called
 * then, before the first is entered. A thread that shares its root and working directory with
 * others cannot enter a mount namespace, so it gets its own (CLONE_FS): the others keep theirs. A
 * pid namespace takes effect for children alone.
 */
export function enterNamespaces(
  namespaces: readonly OciNamespace[],
  opened: () => void = () => undefined,
): void {
  step(() => namespacesCommand(namespaces));
  // lab:01 begin enter-namespaces
  const joined = namespaces
    .filter(({ path }) => path !== undefined)
    .map(({ type, path }) => ({ type, path: path!, fd: openSync(path!, "r") }));
  opened();
  for (const { type, path, fd } of joined) {
    if (type === "mount") check("unshare", libc.unshare(CLONE_FS), "root and working directory");
    check("setns", libc.setns(fd, CLONE[type]), `to the ${type} namespace ${path}`);
    closeSync(fd);
  }
  const flags = unshareFlags(namespaces);
  if (flags !== 0) check("unshare", libc.unshare(flags), `flags 0x${flags.toString(16)}`);
  // lab:01 end
}

const CLONE_FS = 0x200;
