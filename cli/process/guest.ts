import { execFile } from "node:child_process";
import { mkdir, open, rm, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { NODE_DEVICE } from "@raft2kube/cni/node/node-repair.ts";
import { macOf } from "@raft2kube/cni/node/underlay.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { GUEST_STOP_MS } from "../apply/end-process.ts";
import { ROOT_DIR } from "../assets.ts";
import { bootGuest, type Guest, type GuestMachine } from "../guest/boot.ts";
import { quoted } from "../guest/init.ts";
import { guestKernel } from "../guest/kernel.ts";
import { bootstrapPath } from "../pki/identities.ts";
import { requireProgram } from "../preflight/programs.ts";
import { type ClusterConfig, configPath, type GuestConfig } from "../spec/config.ts";
import { guestDir, guestDisk, nfsExport } from "../spec/paths.ts";
import { ANNOUNCE_TO, type Announcement } from "../supervisor/supervise.ts";
import { GuestReports, SILENT_MS } from "./guest-answers.ts";
import { NFS_MODULES, nfsServer } from "./guest-nfs.ts";
import type { Closable } from "./started-parts.ts";

/** Modules that a node uses before the kernel would load them, or that none would ask for. */
const MODULES = (
  "br_netfilter veth dummy vxlan tun ifb loop nfnetlink nf_conntrack_netlink ip_vs ip_set " +
  "nfs nfsv4 sctp"
).split(" ");
/** The guest's console on which its node process reports that it is ready. */
const REPORTS = "/dev/tty1";
/** The line on the guest's first console that shuts it down. */
const STOP = "stop";
const KILL_MS = 5_000;
const MIB = 1024 ** 2;

/**
 * Boots the guest that a node is, and resolves when its node process is ready. A guest that ends by
 * itself ends this process, whose supervisor starts both again.
 */
export async function startGuest(config: ClusterConfig, guest: GuestConfig): Promise<Closable> {
  const dir = guestDir(config);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { disk_GiB, nfsExport_MiB } = guest;
  const disks = [guestDisk(config)];
  await ensureDisk(guestDisk(config), disk_GiB * 1024 * MIB);
  if (nfsExport_MiB !== undefined) {
    disks.push(nfsExport(config));
    await ensureDisk(nfsExport(config), nfsExport_MiB * MIB);
  }
  const description: GuestMachine = {
    kernel: await guestKernel(dir),
    dir,
    memory_MiB: guest.memory_MiB,
    init: {
      hostname: config.nodeName,
      folders: [ROOT_DIR],
      modules: nfsExport_MiB === undefined ? MODULES : [...MODULES, ...NFS_MODULES],
      env: environment(),
      script: await script(config),
    },
    disks,
    link: { device: NODE_DEVICE, mac: macOf(config.nodeAddress) },
    stdio: ["pipe", "inherit", "inherit", "pipe"],
    consoles: ["con1=null,fd:3"],
  };
  const machine = await bootedMachine(description);
  // It has joined: a start by the supervisor, without a new token, is one of a member.
  await rm(bootstrapPath(config), { force: true });
  return machine;
}

/** Boots a guest, a second time if the first falls silent; resolves when its node is ready. */
async function bootedMachine(description: GuestMachine): Promise<Machine> {
  for (let isSecond = false; ; isSecond = true) {
    const machine = new Machine(bootGuest(description), machineClock());
    try {
      await machine.ready();
      return machine;
    } catch (thrown) {
      await machine.close();
      if (isSecond || !machine.wasSilent) throw thrown;
    }
  }
}

/** A guest that runs. */
class Machine implements Closable {
  readonly #guest: Guest;
  readonly #clock: Clock;
  readonly #reports: GuestReports;
  /** Whether the guest was ended because it reported nothing. */
  wasSilent = false;
  #closing = false;
  #gone = false;

  constructor(guest: Guest, clock: Clock) {
    this.#guest = guest;
    this.#clock = clock;
    const { child, ended } = guest;
    child.stdin!.on("error", () => child.stdin!.destroy());
    this.#reports = new GuestReports(child.stdio[3] as Readable, clock, () => {
      this.wasSilent = true;
      const fields = { silent_ms: SILENT_MS };
      logger("guest").error("the guest does not answer: it is ended, and started again", fields);
      child.kill("SIGKILL");
    });
    void ended.then(() => {
      this.#gone = true;
      this.#reports.close();
    });
  }

  /** Waits for the report of the guest's node process; throws why there is none. */
  async ready(): Promise<void> {
    const { ended } = this.#guest;
    const report = await Promise.race([
      this.#reports.announced,
      ended.then((how): Announcement => {
        return { state: "failed", message: `the guest ended with ${how} before it was ready` };
      }),
    ]);
    if (report.state === "failed") {
      const { message, remedy } = report;
      throw new CodedError("GUEST", message, remedy === undefined ? {} : { remedy });
    }
    void ended.then((how) => {
      // Rejected without a handler: this process ends too.
      if (!this.#closing) throw new CodedError("GUEST_ENDED", `the guest ended with ${how}`);
    });
  }

  /** Shuts the guest down; ends it after GUEST_STOP_MS. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#reports.close();
    const { child } = this.#guest;
    const clock = this.#clock;
    const isGone = () => this.#gone;
    child.stdin!.write(`${STOP}\n`);
    try {
      await waitFor("the guest to shut down", isGone, { clock, timeout_ms: GUEST_STOP_MS });
    } catch (thrown) {
      if (!isErrno(thrown, "ETIMEDOUT")) throw thrown;
      logger("guest").warn("the guest does not shut down, it is ended", {});
      child.kill("SIGKILL");
      await waitFor("the guest to end", isGone, { clock, timeout_ms: KILL_MS });
    }
  }
}

/** Variables that the guest's processes share with this one. */
function environment(): Record<string, string> {
  const names = ["R2K_ROOT", "R2K_LOG", "MALLOC_ARENA_MAX", "NODE_OPTIONS"];
  const shared = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(shared), HOME: "/root", [ANNOUNCE_TO]: REPORTS };
}

/** Makes a disk of the guest, a file without content yet, with an empty file system. */
async function ensureDisk(path: string, size_bytes: number): Promise<void> {
  try {
    await stat(path);
    return;
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
  const made = `${path}.new`;
  const file = await open(made, "w", 0o600);
  await file.truncate(size_bytes);
  await file.close();
  const mkfs = await requireProgram("mkfs.ext4");
  await promisify(execFile)(mkfs, ["-q", "-F", "-E", "lazy_itable_init=1,nodiscard", made]);
  await promisify(execFile)("mv", [made, path]);
}

/**
 * The guest's data is on its disk. Of the host's folder of the node it reads the configuration and
 * the token to join with. The node process runs until the console says `stop`; then all that runs
 * is asked to end, and the disk is written.
 */
async function script(config: ClusterConfig): Promise<string> {
  const data = quoted(config.dataDir);
  const bootstrap = quoted(bootstrapPath({ dataDir: "/run/host" }));
  const argv = [process.execPath, ...process.execArgv, process.argv[1]!, "node", "--config"];
  const command = [...argv, configPath(config.dataDir)].map(quoted).join(" ");
  const serve = [
    "ulimit -n 1048576",
    `${command} &`,
    "node=$!",
    `while read -r line; do [ "$line" = ${STOP} ] && break; done`,
    "kill -TERM $node",
    "for try in 1 2 3 4 5 6 7 8 9 10; do kill -0 $node 2> /dev/null && sleep 0.2; done",
    "kill -TERM -1",
    "sleep 0.3",
    "sync",
    "/bin/busybox poweroff -f",
  ];
  return [
    "ip link set vec0 name eth0",
    `mkdir -p /run/host ${data} && mount -t hostfs -o ro,${data} hostfs /run/host`,
    `mount -t ext4 -o noatime /dev/ubda ${data}`,
    `cp -p /run/host/cluster.json ${data}/`,
    `if [ -e ${bootstrap} ]; then cp -p ${bootstrap} ${data}/; fi`,
    ...(config.guest?.nfsExport_MiB === undefined ? [] : nfsServer(config, REPORTS)),
    // Process 1, which waits for the processes that others leave.
    `exec ${await requireProgram("catatonit")} -- sh -c ${quoted(serve.join("\n"))}`,
  ].join("\n");
}
