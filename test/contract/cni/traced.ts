import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import type { Command, Invoke } from "@raft2kube/cni/lib/types.ts";

/** The n-th call of one system call by a thread of a plugin, or of a program that it runs. */
export interface CallPoint {
  readonly call: string;
  readonly nth: number;
}

/**
 * System calls that change anything outside of the process: requests by netlink, the file system,
 * other programs, output. Between two of them a kill leaves the same state.
 */
const CHANGING = [
  "sendto", "sendmsg", "write", "rename", "mkdir", "unlink", "unlinkat", "setns", "clone", "clone3",
  "vfork", "execve",
];
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
  await run(invokeTraced(traced, ["-o", log, "-e", `trace=${CHANGING.join(",")}`]));
  const counts = new Map<string, number>();
  const most = new Map<string, number>();
  for (const line of readFileSync(log, "utf8").split("\n")) {
    const [, thread, call = ""] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (thread === undefined) continue;
    const count = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, count);
    most.set(call, Math.max(count, most.get(call) ?? 0));
  }
  rmSync(log);
  return [...most].flatMap(([call, count]) =>
    Array.from({ length: count }, (_, index) => ({ call, nth: index + 1 })));
}
