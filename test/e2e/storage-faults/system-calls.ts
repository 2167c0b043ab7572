import nodeFs from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { libc } from "@raft2kube/linux/syscall/libc.ts";
import { type ComponentRun, currentRun } from "./run-of-component.ts";

type Call = (...args: unknown[]) => unknown;
type Calls = Record<string, Call>;

/** Calls of node:fs/promises that change something, and what each has for its path. */
const PATH_CALLS = ["mkdir", "rename", "rm", "rmdir", "unlink", "writeFile"] as const;
const HANDLE_CALLS = ["chmod", "truncate", "sync", "write", "writeFile"] as const;
/** Calls that need space. */
const GROWS: ReadonlySet<string> = new Set(["mkdir", "writeFile", "write", "open", "mkdirat"]);

/** Requests of ioctl(2) that change a device or a file system. */
const IOCTLS: Readonly<Record<number, string>> = {
  0x4c0a: "LOOP_CONFIGURE",
  0x4c07: "LOOP_SET_CAPACITY",
  0x4c01: "LOOP_CLR_FD",
  0x40086610: "EXT4_IOC_RESIZE_FS",
};
/** Calls of the C library that change something, with the place of their path. */
const LIBC_CALLS: Readonly<Record<string, number>> = {
  mount: 1,
  umount2: 0,
  move_mount: 4,
  mkdirat: 1,
  unlinkat: 1,
};
/** Calls that return a descriptor. */
const OPENING = ["fsopen", "fsmount", "openat2"] as const;

const paths = new WeakMap<object, string>();

/** A path without what differs from one volume to the next. */
function placeOf(file: unknown): string {
  const text = Buffer.isBuffer(file) ? file.toString("utf8").replace(/\0$/, "") : String(file);
  const [, below = text] = /\/r2k-storage-faults-[^/]+\/(.*)/.exec(text) ?? [];
  const ids = /[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|(?<=loop)\d+/g;
  const known = below.replaceAll(ids, "*");
  return known.split("/").slice(-3).join("/");
}

/**
 * Makes points of the file system and mount calls of components, for as long as this process runs:
 * code that is no component's is not changed.
 */
export async function interruptSystemCalls(): Promise<() => void> {
  const undo: (() => void)[] = [];
  const replace = (of: Calls, name: string, made: (original: Call) => Call) => {
    const original = of[name]!;
    of[name] = made(original);
    undo.push(() => (of[name] = original));
  };
  const handle = await fs.open(os.tmpdir(), "r");
  const handles = Object.getPrototypeOf(handle) as Calls;
  await handle.close();
  const module = fs as unknown as Calls;
  for (const name of PATH_CALLS) replace(module, name, (call) => aPathCall(name, call));
  for (const name of HANDLE_CALLS) replace(handles, name, (call) => aHandleCall(name, call));
  replace(module, "open", opening);
  replace(handles, "close", closing);
  const sync = nodeFs as unknown as Calls;
  replace(sync, "openSync", remembering);
  replace(sync, "closeSync", forgetting);
  replace(sync, "close", forgetting);
  const c = libc as unknown as Calls;
  for (const [name, at] of Object.entries(LIBC_CALLS)) {
    replace(c, name, (call) => aLibcCall((args) => `${name} ${placeOf(args[at])}`, call));
  }
  replace(c, "ioctl", (call) => aLibcCall((args) => IOCTLS[args[1] as number], call));
  for (const name of OPENING) replace(c, name, remembering);
  syncBuiltinESMExports();
  return () => {
    for (const each of undo) each();
    syncBuiltinESMExports();
  };
}

function requireSpace(run: ComponentRun, name: string): void {
  if (!run.isDiskFull || !GROWS.has(name)) return;
  throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: "ENOSPC" });
}

function aPathCall(name: string, call: Call): Call {
  return async function (this: unknown, ...args: unknown[]) {
    const run = currentRun();
    if (run) {
      await run.pass(`${name} ${placeOf(args[0])}`);
      requireSpace(run, name);
    }
    return call.apply(this, args);
  };
}

function aHandleCall(name: string, call: Call): Call {
  return async function (this: object, ...args: unknown[]) {
    const run = currentRun();
    if (!run) return call.apply(this, args);
    const step = `${name} ${placeOf(paths.get(this) ?? "?")}`;
    const [content] = args;
    if (!run.survives(step)) {
      // A torn write: half of it is there.
      if (name === "writeFile" && typeof content === "string") {
        await call.call(this, content.slice(0, content.length / 2));
      }
      await new Promise<never>(() => {});
    }
    requireSpace(run, name);
    return call.apply(this, args);
  };
}

function opening(call: Call): Call {
  return async function (this: unknown, ...args: unknown[]) {
    const run = currentRun();
    if (!run) return call.apply(this, args);
    const [file, flags = "r"] = args;
    if (run.isDead) await new Promise<never>(() => {});
    if (flags !== "r") {
      await run.pass(`open ${placeOf(file)}`);
      if (flags !== "r+") requireSpace(run, "open");
    }
    const handle = (await call.apply(this, args)) as fs.FileHandle;
    paths.set(handle, String(file));
    if (run.isDead) await handle.close();
    else run.files.add(handle);
    return handle;
  };
}

function closing(call: Call): Call {
  return function (this: unknown, ...args: unknown[]) {
    currentRun()?.files.delete(this as fs.FileHandle);
    return call.apply(this, args);
  };
}

function remembering(call: Call): Call {
  return function (this: unknown, ...args: unknown[]) {
    const fd = call.apply(this, args) as number;
    if (fd >= 0) currentRun()?.descriptors.add(fd);
    return fd;
  };
}

function forgetting(call: Call): Call {
  return function (this: unknown, ...args: unknown[]) {
    const run = currentRun();
    const fd = args[0] as number;
    // The death of the component has closed it, and it may be another's by now.
    if (run?.isDead) {
      const [, closed] = args;
      if (typeof closed === "function") process.nextTick(closed as () => void);
      return undefined;
    }
    run?.descriptors.delete(fd);
    return call.apply(this, args);
  };
}

function aLibcCall(stepOf: (args: readonly unknown[]) => string | undefined, call: Call): Call {
  return function (this: unknown, ...args: unknown[]) {
    const run = currentRun();
    const step = run && stepOf(args);
    if (run && step !== undefined) {
      run.passNow(step);
      requireSpace(run, step.split(" ")[0]!);
    }
    return call.apply(this, args);
  };
}
