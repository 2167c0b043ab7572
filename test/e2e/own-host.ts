import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { asError, isErrno } from "@raft2kube/std/errors.ts";
import type { HostSnapshot } from "./host-snapshot.ts";

/**
 * Shell commands for a new mount namespace that let go of what other tests have mounted: a mount's
 * copy here would keep their loop devices and network namespaces when they unmount their own, and
 * a kubelet of upstream's would look for its groups in hierarchies of other clusters.
 */
export const LEAVE_MOUNTS = `
awk -v of='^${tmpdir()}/r2k-|^/dev/shm/r2k-|^/run/netns/cni-|/runtime/cgroup-v1$' '$5 ~ of { print $5 }' \\
  /proc/self/mountinfo |
  sort -r | while read -r path; do umount -l "$path" 2> /dev/null || true; done
`;

/**
 * Says "ready", and keeps the namespaces until its input ends: when its test closes it, or is gone.
 * A test that Ctrl-C has ended leaves clusters, which it takes down with the program in `$0 $@`.
 */
const HOLD = `
trap "" INT HUP TERM; echo ready; cat > /dev/null; set +e
for cluster in "$R2K_RUN"/*; do
  [ ! -d "$cluster" ] || "$0" "$@" down --purge --name "\${cluster##*/}" > /dev/null 2>&1
done
rm -rf --one-file-system "\${R2K_DATA%/data}"
`;

const ROOT = join(import.meta.dirname, "../..");
/** The command line that `r2k` runs once it has found the bundle to be that of the sources. */
const BUNDLED = [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  join(ROOT, ".cache/bundle/main.js"),
];
/**
 * Variable of a run of several files that has made the bundle: its sources do not change meanwhile.
 */
export const BUNDLE_MADE = "R2K_BUNDLE_MADE";
const COMMAND_TIMEOUT_MS = 180_000;
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;

export type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeout_ms?: number;
}

/** Makes the product's bundle where there is none, or an older one, for all hosts from then on. */
export async function makeBundle(): Promise<void> {
  await promisify(execFile)(join(ROOT, "r2k"), ["version"]);
  process.env[BUNDLE_MADE] = "1";
}

/**
 * A host of a test's own: network and mount namespaces that end with it, and folders that it alone
 * uses. A cluster in it cannot touch the machine, but for cgroups under the cluster's own name.
 */
export class OwnHost {
  readonly dir: string;
  /** The process whose namespaces are the host's. */
  readonly pid: number;
  /** The process that keeps the namespaces, where this one made it. */
  readonly #holder: ChildProcess | undefined;
  readonly #started = new Set<ChildProcess>();
  /** The product: another build of it takes this one's place. */
  program: readonly [string, ...string[]] = ["env", `R2K_ROOT=${ROOT}`, ...BUNDLED];

  /** Whether process ids and the host's name are its own too. */
  readonly #ownsAll: boolean;

  private constructor(dir: string, pid: number, holder?: ChildProcess, ownsAll = false) {
    this.dir = dir;
    this.#ownsAll = ownsAll;
    this.pid = pid;
    this.#holder = holder;
  }

  static async create(): Promise<OwnHost> {
    if (process.env[BUNDLE_MADE] === undefined) await makeBundle();
    const dir = mkdtempSync(join(tmpdir(), "r2k-e2e-"));
    for (const name of ["data", "run", "home"]) mkdirSync(join(dir, name));
    const host = new OwnHost(dir, 0);
    const script = `mount --make-rprivate /; ${LEAVE_MOUNTS} ip link set lo up; ${HOLD}`;
    const words = ["--net", "--mount", "sh", "-ec", script, ...host.program];
    const holder = spawn("unshare", words, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...host.env },
    });
    const ready = await Promise.race([once(holder.stdout!, "data"), once(holder, "exit")]);
    if (String(ready[0]).trim() !== "ready") throw new Error("namespaces cannot be made here");
    return new OwnHost(dir, holder.pid!, holder);
  }

  /** A host that another process made, which closes it. */
  static at({ dir, pid }: { readonly dir: string; readonly pid: number }): OwnHost {
    return new OwnHost(dir, pid);
  }

  /** A machine that another process made: its process ids and its name are its own too. */
  static machineAt({ dir, pid }: { readonly dir: string; readonly pid: number }): OwnHost {
    return new OwnHost(dir, pid, undefined, true);
  }

  /** Variables that move a cluster's folders into this host's. */
  get env(): Record<string, string> {
    // A machine has the folders themselves to itself.
    if (this.#ownsAll) return { HOME: join(this.dir, "home") };
    return {
      R2K_DATA: join(this.dir, "data"),
      R2K_RUN: join(this.dir, "run"),
      HOME: join(this.dir, "home"),
    };
  }

  /** Runs a program in the host; resolves with its outcome, with any exit code. */
  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.start(program, args, { timeout_ms: COMMAND_TIMEOUT_MS, ...options });
    // A program that ends without reading its input says so by its exit code.
    child.stdin?.on("error", (error) => isErrno(error, "EPIPE") || child.emit("error", error));
    child.stdin?.end(options.input ?? "");
    const [stdout, stderr, [code]] = await Promise.all([
      collect(child.stdout!),
      collect(child.stderr!),
      once(child, "close") as Promise<[number | null]>,
    ]);
    return { code: code ?? 1, stdout, stderr };
  }

  /** The command line that runs a program in the host. */
  enter(program: string, args: readonly string[]): [string, ...string[]] {
    const own = this.#ownsAll ? ["--pid", "--uts"] : [];
    const target = ["--target", String(this.pid), "--net", "--mount", ...own];
    return ["nsenter", ...target, program, ...args];
  }

  /**
   * Starts a program in the host, its three streams piped. It runs until its time limit, if it has
   * one, or until the host ends.
   */
  start(program: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
    // Only in the host: a library that a variable preloads leaves its marks where it is loaded.
    const own = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const [entry, ...rest] = this.enter("env", [...own, program, ...args]);
    const child = spawn(entry, rest, { cwd: ROOT, env: { ...process.env, ...this.env } });
    const { timeout_ms } = options;
    const limit =
      timeout_ms === undefined ? undefined : machineClock().after(timeout_ms, () => child.kill());
    this.#started.add(child);
    child.once("exit", () => {
      limit?.cancel();
      this.#started.delete(child);
    });
    return child;
  }

  /** The product's command line in this host. */
  r2k(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const [program, ...words] = this.program;
    return this.run(program, [...words, ...args], options);
  }

  /** Everything of this host that the cluster could change. */
  async snapshot(cluster: string): Promise<HostSnapshot> {
    const program = join(import.meta.dirname, "print-snapshot.ts");
    const { code, stdout, stderr } = await this.run(process.execPath, [program, cluster]);
    if (code !== 0) throw new Error(`snapshot: ${stderr}`);
    return JSON.parse(stdout) as HostSnapshot;
  }

  /**
   * Ends what this process started and, where it made them, the namespaces and removes the folders.
   * The clusters in it must be down.
   */
  async close(): Promise<void> {
    for (const child of this.#started) child.kill("SIGKILL");
    if (!this.#holder) return;
    await endHolder(this.#holder);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Ends the process that keeps namespaces; one that has ended, as by Ctrl-C, is no error. */
export async function endHolder(holder: ChildProcess): Promise<void> {
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const ended = once(holder, "exit");
  holder.stdin?.end();
  await ended;
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  try {
    for await (const chunk of stream) {
      if (text.length < OUTPUT_BYTES_MAX) text += String(chunk);
    }
    if (text.length >= OUTPUT_BYTES_MAX) text += `\n(cut after ${OUTPUT_BYTES_MAX} bytes)`;
  } catch (thrown) {
    text += `\n(stream: ${asError(thrown).message})`;
  }
  return text;
}
