import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import type { Command, Invoke } from "@raft2kube/cni/lib/types.ts";

/** The n-th call of one system call by a thread of a plugin, or of a program that it runs. */
export type CallPoint = { readonly call: string; readonly nth: number };

const ANY = /(?:)/;

/**
 * System calls that change anything outside of the process, with what their arguments show then:
 * requests by netlink and ioctl, the file system, other programs, output. A kill between two of
 * them leaves the same state.
 */
const CHANGING: Readonly<Record<string, RegExp>> = {
  sendto: ANY,
  sendmsg: ANY,
  write: ANY,
  writev: ANY,
  pwrite64: ANY,
  openat: /O_CREAT|O_TRUNC/,
  ftruncate: ANY,
  rename: ANY,
  renameat: ANY,
  renameat2: ANY,
  link: ANY,
  linkat: ANY,
  symlink: ANY,
  unlink: ANY,
  unlinkat: ANY,
  mkdir: ANY,
  mkdirat: ANY,
  rmdir: ANY,
  chmod: ANY,
  fchmod: ANY,
  fchmodat: ANY,
  ioctl: /SIOC/,
  setsockopt: /SOL_IP\b/,
  setns: ANY,
  clone: ANY,
  clone3: ANY,
  vfork: ANY,
  execve: ANY,
};
const TIMEOUT_MS = 60_000;

/** One command of one plugin, which runs under strace. */
interface Traced {
  readonly plugin: string;
  readonly command: Command;
  /** A folder for the executable that stands in for the plugin's. */
  readonly dir: string;
  /** Runs everything else. */
  readonly others: Invoke;
}

function invokeTraced(traced: Traced, options: readonly string[]): Invoke {
  const { plugin, command, dir, others } = traced;
  const exec = execInvoke(TIMEOUT_MS);
  return (file, request) => {
    if (basename(file) !== plugin || request.command !== command) return others(file, request);
    mkdirSync(dir, { recursive: true });
    const standIn = join(dir, plugin);
    const strace = ["strace", "-f", "-qq", ...options, file];
    writeFileSync(standIn, `#!/bin/sh\nexec ${strace.map((word) => `'${word}'`).join(" ")}\n`);
    chmodSync(standIn, 0o755);
    return exec(standIn, request);
  };
}

/** Kills the thread's process when it enters the call. */
export function killedAt({ call, nth }: CallPoint, traced: Traced): Invoke {
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  return invokeTraced(traced, ["-o", "/dev/null", "-e", `trace=${call}`, "-e", inject]);
}

/** Calls `run` with an invoke that records, and returns every point of the traced command. */
export async function pointsOf(
  traced: Traced,
  run: (invoke: Invoke) => Promise<unknown>,
): Promise<CallPoint[]> {
  const log = join(traced.dir, "calls");
  await run(invokeTraced(traced, ["-o", log, "-e", `trace=${Object.keys(CHANGING).join(",")}`]));
  const counts = new Map<string, number>();
  const points = new Map<string, CallPoint>();
  for (const line of readFileSync(log, "utf8").split("\n")) {
    const [, thread, call = "", words = ""] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    if (thread === undefined) continue;
    // Counted whether or not it changes anything, as strace counts when it injects.
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, nth);
    if (CHANGING[call]?.test(words)) points.set(`${call} ${nth}`, { call, nth });
  }
  rmSync(log);
  return [...points.values()];
}
