import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "@raft2kube/std/errors.ts";
import { findProgram } from "../preflight/programs.ts";
import { CommandError } from "../terminal.ts";

/** The kernel as a program, and its modules, from Debian's user-mode-linux. */
const KERNEL = "/usr/bin/linux.uml";
export const MODULES_DIR = "/usr/lib/uml/modules";

/** Why this machine cannot run guests; undefined when it can. */
export function guestsMissing(): string | undefined {
  if (process.arch !== "x64") return `the guest's kernel needs x86-64, this is ${process.arch}`;
  return existsSync(KERNEL) ? undefined : "user-mode-linux is not installed";
}

/** The kernel, with the variables that it runs with on this processor. */
export type GuestKernel = { readonly path: string; readonly env: Readonly<Record<string, string>> };

/** Throws CommandError `NO_GUESTS` on a machine that cannot run guests. */
export function requireGuests(): void {
  const missing = guestsMissing();
  if (missing === undefined) return;
  throw new CommandError("NO_GUESTS", `this machine runs no guests: ${missing}`, {
    remedy: "on x86-64: apt-get install user-mode-linux; or leave --guest out",
  });
}

/**
 * Finds the guest's kernel; what it needs on this processor is made in `dir`. Throws CommandError
 * `NO_GUESTS`.
 */
export async function guestKernel(dir: string): Promise<GuestKernel> {
  requireGuests();
  return { path: KERNEL, env: hasTiles() ? { LD_PRELOAD: await compileXstate(dir) } : {} };
}

/** Whether the processor has AMX, whose state is more than the guest's kernel has room for. */
function hasTiles(): boolean {
  return /^flags\s*:.* amx_tile\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}

/** Compiles what lets the guest's kernel run on such a processor; returns the library's path. */
async function compileXstate(dir: string): Promise<string> {
  const library = join(dir, "xstate.so");
  const source = join(import.meta.dirname, "xstate.c");
  const options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, source];
  const compiler = await findProgram("gcc");
  try {
    await promisify(execFile)(compiler ?? "gcc", options);
    return library;
  } catch (cause) {
    const what = "this processor's AMX state needs a small library for guests, which is not there";
    const why = `${what}: ${messageOf(cause)}`;
    throw new CommandError("NO_GUESTS", why, { remedy: "apt-get install gcc libc6-dev", cause });
  }
}
