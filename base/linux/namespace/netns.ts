import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc } from "../syscall/libc.ts";
import { MNT_DETACH } from "../syscall/numbers.ts";
import { step, stepsIn } from "../syscall/steps.ts";

const CLONE_NEWNET = 0x40000000;
/** Flags of unshare(2), by the names in /proc. */
const CLONE_NEW = { net: CLONE_NEWNET, uts: 0x04000000, ipc: 0x08000000 } as const;
type Kind = keyof typeof CLONE_NEW;

const MS_BIND = 0x1000;
const MS_PRIVATE = 0x40000;

// The namespace of the calling thread, which is the only one that setns and unshare move.
const ownOf = (kind: Kind) => `/proc/thread-self/ns/${kind}`;

/** Runs `fn` after `enter` moved this thread to other namespaces, and moves it back. */
function away<T>(kinds: readonly Kind[], enter: () => void, fn: () => T): T {
  const homes = kinds.map((kind) => ({ kind, fd: openSync(ownOf(kind), "r") }));
  try {
    enter();
    try {
      return fn();
    } finally {
      // A thread that cannot go home would do everything later in the wrong namespace.
      for (const { kind, fd } of homes) {
        check("setns", libc.setns(fd, CLONE_NEW[kind]), `back to the own ${kind} namespace`);
      }
    }
  } finally {
    for (const { fd } of homes) closeSync(fd);
  }
}

/**
 * Runs `fn` in the network namespace at `path` and returns what it returns. `fn` must be
 * synchronous: sockets it opens and processes it spawns stay in the namespace, later turns of the
 * loop do not run in it. Throws SystemCallError, or Node's ENOENT when there is no such file.
 */
export function inNetns<T>(path: string, fn: () => T extends Promise<unknown> ? never : T): T {
  const fd = openSync(path, "r");
  try {
    const enter = () => {
      check("setns", libc.setns(fd, CLONE_NEWNET), `to the network namespace ${path}`);
    };
    return away<T>(["net"], enter, () => stepsIn(`--net=${path}`, fn as () => T));
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a network namespace and pins it at `path`, as `ip netns add` does: a file that it is
 * bind-mounted on. Its loopback link is down. EEXIST when something is there already.
 */
export function createNetns(path: string): void {
  createNamespaces({ net: path });
}

/** Makes several namespaces, and pins each at its path. `inside` runs in them. */
export function createNamespaces(
  pins: Readonly<Partial<Record<Kind, string>>>,
  inside: () => void = () => undefined,
): void {
  const entries = Object.entries(pins) as [Kind, string][];
  const kinds = entries.map(([kind]) => kind);
  const flags = kinds.reduce((all, kind) => all | CLONE_NEW[kind], 0);
  for (const [, path] of entries) createPin(path);
  const words = entries.map(([kind, path]) => `--${kind}=${path}`).join(" ");
  step(() => `touch ${Object.values(pins).join(" ")} && unshare ${words} true`);
  try {
    away(
      kinds,
      () => check("unshare", libc.unshare(flags), `the namespaces ${kinds.join(", ")}`),
      () => {
        stepsIn(words, inside);
        for (const [kind, path] of entries) bindNamespace(ownOf(kind), path);
      },
    );
  } catch (thrown) {
    for (const [, path] of entries) deleteNetns(path);
    throw thrown;
  }
}

/**
 * Pins an existing namespace of any type, such as /proc/PID/ns/net, at `path`. EEXIST when
 * something is there already.
 */
export function pinNamespace(source: string, path: string): void {
  createPin(path);
  step(() => `touch ${path} && mount --bind ${source} ${path}`);
  try {
    bindNamespace(source, path);
  } catch (thrown) {
    deleteNetns(path);
    throw thrown;
  }
}

/** Makes the file that a namespace is to be pinned on. EEXIST when something is there already. */
export function createPin(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "", { flag: "wx", mode: 0o444 });
}

function bindNamespace(source: string, path: string): void {
  check("mount", libc.mount(source, path, null, MS_BIND, null), `${source} on ${path}`);
  // Private, so that deleting it is not undone by copies in other mount namespaces.
  check("mount", libc.mount(null, path, null, MS_PRIVATE, null), `${path} as private`);
}

/**
 * Unpins a namespace; the kernel ends it when no process is left in it. Nothing happens when it is
 * gone.
 */
export function deleteNetns(path: string): void {
  try {
    check("umount2", libc.umount2(path, MNT_DETACH), path);
  } catch (thrown) {
    // EINVAL: a file that is no mount, left by a creation that was killed half way.
    if (isErrno(thrown, "ENOENT")) return;
    if (!isErrno(thrown, "EINVAL")) throw thrown;
  }
  rmSync(path, { force: true });
}

/** Whether `path` is a pinned namespace: a mount of nsfs, not a leftover file. */
export function isNetns(path: string): boolean {
  const escaped = path.replaceAll(" ", "\\040");
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === escaped && line.includes(" - nsfs "));
}

/**
 * Moves this thread for good. For a process that lives in a namespace, before it opens its first
 * socket: threads that exist already stay where they are.
 */
export function enterNetns(path: string): void {
  const fd = openSync(path, "r");
  try {
    check("setns", libc.setns(fd, CLONE_NEWNET), `to the network namespace ${path}`);
  } finally {
    closeSync(fd);
  }
}
