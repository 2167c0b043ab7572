import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type GuestInit, initText } from "./init.ts";
import type { GuestKernel } from "./kernel.ts";

export interface GuestMachine {
  readonly kernel: GuestKernel;
  /** A folder of the guest's own, on this machine. */
  readonly dir: string;
  /** All the memory that the guest has; it takes it when it needs it, and gives none back. */
  readonly memory_MiB: number;
  readonly init: GuestInit;
  /** Images that are the guest's disks `/dev/ubda`, `/dev/ubdb`, ... */
  readonly disks?: readonly string[];
  /** A link of this process's namespace whose frames are the guest's link `vec0`. */
  readonly link?: { readonly device: string; readonly mac: string };
  /** Console input and output, errors of the kernel program, then what `consoles` name. */
  readonly stdio: StdioOptions;
  /** Kernel arguments for consoles beside the first. */
  readonly consoles?: readonly string[];
}

/** A guest that was started. */
export interface Guest {
  readonly child: ChildProcess;
  /** Resolves with how it ended: an exit code, a signal's name, or why it did not start. */
  readonly ended: Promise<string>;
}

/**
 * Shell command of the first process in a guest's namespace, which waits for the kernel program.
 * The program aborts by a signal to itself when it panics, as it may do while it switches off; the
 * first process of a namespace does not get that signal, and would send it without end.
 */
const FIRST = 'ulimit -c 0; "$@"; exit';

/** Starts a guest. It ends with its script, when it is killed, and with this process. */
export function bootGuest(machine: GuestMachine): Guest {
  const { kernel, dir, disks = [], link, consoles = [] } = machine;
  const init = join(dir, "init.sh");
  writeFileSync(init, initText(machine.init), { mode: 0o755 });
  const args = [
    `mem=${machine.memory_MiB}M`,
    "root=/dev/root",
    "rootfstype=hostfs",
    "rootflags=/",
    "ro",
    `init=${init}`,
    "con=null",
    "con0=fd:0,fd:1",
    ...consoles,
    "quiet",
    "umid=guest",
    `uml_dir=${dir}/`,
    ...disks.map((disk, index) => `ubd${"abcdefgh".charAt(index)}=${disk}`),
    ...(link === undefined ? [] : [vectorArgument(link)]),
  ];
  // Its processes end with the first, that one with unshare, and unshare with this process.
  const bound = ["--pdeathsig", "KILL", "unshare", "-pf", "--kill-child"];
  const child = spawn("setpriv", [...bound, "sh", "-c", FIRST, "sh", kernel.path, ...args], {
    stdio: machine.stdio,
    // The kernel keeps its pid and its console's socket in its folder, and nothing at home.
    env: { ...process.env, HOME: dir, ...kernel.env },
  });
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(messageOf(error)));
    child.once("exit", (code, signal) => resolve(String(signal ?? code)));
  });
  return { child, ended };
}

function vectorArgument({ device, mac }: { device: string; mac: string }): string {
  return `vec0:transport=raw,ifname=${device},depth=128,gro=1,mac=${mac}`;
}
