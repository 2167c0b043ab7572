import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../../testing/wait.ts";
import { libfaketimeOf } from "../../clock/libfaketime.ts";

const BRIDGE = "br0";
const NETWORK = "10.77.0";
/** Room for a log, a database and its snapshots, and no more: it can be filled in a moment. */
const DISK_MEBIBYTES = 192;

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"] }).toString();
}

/**
 * Shared memory of this process's own. libfaketime keeps a mark there of each process that it was
 * loaded into, and one that is killed cannot remove its own.
 */
export function openSharedMemory(): void {
  run("mount", "-t", "tmpfs", "r2k-chaos", "/dev/shm");
}

/** The network that the members' links meet in: this process's own namespace. */
export function openHub(): void {
  run("ip", "link", "set", "lo", "up");
  run("ip", "link", "add", BRIDGE, "type", "bridge");
  run("ip", "addr", "add", `${NETWORK}.254/24`, "dev", BRIDGE);
  run("ip", "link", "set", BRIDGE, "up");
}

/**
 * A machine of one member: a network namespace with one link, a small disk, a wall clock that can
 * be stepped. All of it ends with the namespaces of the process that made it.
 */
export class Machine {
  readonly name: string;
  readonly address: string;
  /** The member's disk. */
  readonly disk: string;
  readonly #holder: ChildProcess;
  readonly #clockFile: string;
  readonly #port: string;

  private constructor(folder: string, name: string, number: number, holder: ChildProcess) {
    this.name = name;
    this.address = `${NETWORK}.${number}`;
    this.disk = join(folder, `disk-${name}`);
    this.#clockFile = join(folder, `clock-${name}`);
    this.#holder = holder;
    this.#port = `port-${name}`;
  }

  static async open(folder: string, name: string, number: number): Promise<Machine> {
    const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    const machine = new Machine(folder, name, number, holder);
    const own = () => {
      const namespace = run("readlink", `/proc/${holder.pid}/ns/net`);
      return namespace !== run("readlink", "/proc/self/ns/net");
    };
    await waitFor(`a network namespace for ${name}`, own);
    machine.#connect();
    mkdirSync(machine.disk);
    run("mount", "-t", "tmpfs", "-o", `size=${DISK_MEBIBYTES}m`, "r2k-chaos", machine.disk);
    machine.stepClock(0);
    return machine;
  }

  #connect(): void {
    const { pid } = this.#holder;
    const ends = ["type", "veth", "peer", "name", "eth0", "netns", `${pid}`];
    run("ip", "link", "add", this.#port, ...ends);
    run("ip", "link", "set", this.#port, "master", BRIDGE, "up");
    this.#inside("ip", "link", "set", "lo", "up");
    this.#inside("ip", "addr", "add", `${this.address}/24`, "dev", "eth0");
    this.#inside("ip", "link", "set", "eth0", "up");
  }

  /** A command line that runs in this machine's network. */
  within(program: string, ...args: string[]): [program: string, args: string[]] {
    return ["nsenter", [`--net=/proc/${this.#holder.pid}/ns/net`, program, ...args]];
  }

  #inside(program: string, ...args: string[]): string {
    const [command, all] = this.within(program, ...args);
    return run(command, ...all);
  }

  /** Variables by which a process here sees this machine's wall clock. */
  get clockVariables(): Record<string, string> {
    if (!Machine.clockCanStep) return {};
    return {
      ...Machine.wallClock,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile,
      FAKETIME_CACHE_DURATION: "1",
    };
  }

  /** Variables that put libfaketime before a process's wall clock; others name the time. */
  static get wallClock(): Record<string, string> {
    // The monotonic clock is left alone: it never steps on a real machine.
    return { LD_PRELOAD: libfaketimeOf(), FAKETIME_DONT_FAKE_MONOTONIC: "1" };
  }

  static get clockCanStep(): boolean {
    return existsSync(libfaketimeOf());
  }

  stepClock(offset_s: number): void {
    writeFileSync(this.#clockFile, `${offset_s < 0 ? "" : "+"}${offset_s}`);
  }

  /** Drops a share of what comes in from other machines. */
  drop(from: readonly Machine[], percent: number): void {
    const chance = percent >= 100 ? "" : `numgen random mod 100 < ${percent} `;
    const rules = from.map(({ address }) => {
      return `add rule inet chaos in ip saddr ${address} ${chance}drop`;
    });
    const chain = "add chain inet chaos in { type filter hook input priority 0; }";
    this.#inside("nft", ["add table inet chaos", chain, ...rules].join("; "));
  }

  /** Lets out little, and late: a queue of half a second before a slow link. */
  slow(): void {
    const slowness = ["rate", "256kbit", "burst", "16kbit", "latency", "500ms"];
    this.#inside("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", ...slowness);
  }

  /** The network is well again. */
  mend(): void {
    this.#inside("nft", "add table inet chaos; delete table inet chaos");
    this.#inside("tc", "qdisc", "replace", "dev", "eth0", "root", "pfifo");
  }

  /** Nothing more fits on the disk. */
  fillDisk(): void {
    const ballast = join(this.disk, "ballast");
    const block = Buffer.alloc(1024 * 1024);
    try {
      for (let i = 0; i <= DISK_MEBIBYTES; i++) writeFileSync(ballast, block, { flag: "a" });
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== "ENOSPC") throw thrown;
    }
  }

  emptyDisk(): void {
    rmSync(join(this.disk, "ballast"), { force: true });
  }
}
