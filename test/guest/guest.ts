import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** The kernel as a program, from Debian's user-mode-linux. */
export const GUEST_KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";
const ROOT = join(import.meta.dirname, "../..");

/** Why this machine cannot run guests; undefined when it can. */
export function guestsMissing(): string | undefined {
  if (!existsSync(GUEST_KERNEL)) return "needs user-mode-linux";
  return process.arch === "x64" ? undefined : `no guest kernel for ${release()}`;
}

/**
 * Returns kernel modules with those that they need before them; paths below `kernel/`. Throws if a
 * module is unknown.
 */
export function withDependencies(modules: readonly string[]): string[] {
  const [release = ""] = readdirSync(MODULES);
  const lines = readFileSync(join(MODULES, release, "modules.dep"), "utf8").split("\n");
  const short = (path: string) => path.replace(/^kernel\//, "");
  const needs = new Map(lines.map((line) => {
    const [name = "", rest = ""] = line.split(":");
    return [short(name), rest.split(" ").filter(Boolean).map(short)] as const;
  }));
  const ordered = new Set<string>();
  const add = (name: string) => {
    const needed = needs.get(name);
    if (!needed) throw new Error(`the guest's kernel has no module ${name}`);
    for (const other of needed.filter((one) => !ordered.has(one))) add(other);
    ordered.add(name);
  };
  modules.forEach(add);
  return [...ordered];
}

export interface GuestOptions {
  /** Shell lines to run as process 1 of the guest, after its file systems are mounted. */
  script: string;
  /** Kernel modules by their path below `kernel/`: `fs/overlayfs/overlay.ko`. */
  modules: string[];
  memory_MiB: number;
  timeout_ms: number;
}

/**
 * The guest sees this machine's files read-only, with memory over what must be written, and has
 * cgroup v2 with all controllers.
 */
function initText({ script, modules }: GuestOptions): string {
  const kernelDir = `${MODULES}/$(uname -r)/kernel`;
  const inserts = modules.map((name) => `/bin/busybox insmod ${kernelDir}/${name}`);
  return [
    "#!/bin/sh",
    "export PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    "for dir in /run /tmp; do mount -t tmpfs tmpfs $dir; done",
    // The product again, where it lies in a folder that was just covered.
    `[ -e ${ROOT} ] || { mkdir -p ${ROOT}; mount -t hostfs -o ${ROOT} hostfs ${ROOT}; }`,
    "mount -t devtmpfs dev /dev",
    "mkdir -p /dev/pts /dev/shm",
    "mount -t devpts devpts /dev/pts",
    "mount -t tmpfs tmpfs /dev/shm",
    // As systemd mounts it.
    "mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup",
    "ip link set lo up",
    ...inserts,
    script,
    // The applet by its path: a standalone busybox would look for itself in /proc/self/exe.
    "/bin/busybox poweroff -f",
  ].join("\n");
}

/**
 * Boots a User-Mode Linux guest, runs a script in it, and resolves with all that it printed. The
 * guest ends with the script, at its time limit, or with this process.
 */
export async function runGuest(options: GuestOptions): Promise<string> {
  // Not in /tmp, which the guest covers.
  const dir = mkdtempSync("/var/tmp/r2k-guest-");
  const init = join(dir, "init.sh");
  writeFileSync(init, initText(options), { mode: 0o755 });
  const kernel = [
    `mem=${options.memory_MiB}M`, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
    `init=${init}`, "con=null", "con0=fd:0,fd:1", "quiet", "umid=guest", `uml_dir=${dir}/`,
    "HOME=/tmp",
  ];
  const preload = hasTiles() ? { LD_PRELOAD: compileXstate(dir) } : {};
  const child = spawn("unshare", ["-pf", "--kill-child", GUEST_KERNEL, ...kernel], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, ...preload },
    timeout: options.timeout_ms,
    killSignal: "SIGKILL",
  });
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    return output;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Whether the processor has AMX, whose state is more than the guest kernel has room for. */
function hasTiles(): boolean {
  return /^flags\s*:.* amx_tile\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}

/** Compiles what lets the guest kernel run on such a processor; returns the library's path. */
function compileXstate(dir: string): string {
  const library = join(dir, "xstate.so");
  const source = join(import.meta.dirname, "xstate.c");
  execFileSync("gcc", ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, source]);
  return library;
}
