import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { bundleOf, peer, ROOT } from "../apiserver/sides.ts";

const READY_TIMEOUT_MS = 120_000;
const TICKS_PER_S = 100;
/** The largest quota that etcd advises: a million keys of 1 KiB are past its default. */
const QUOTA_BYTES = String(8 * 1024 ** 3);

/** A store of one make: ours, or etcd. */
export interface Side {
  readonly name: string;
  /** Starts a cluster with nothing in it. */
  start(members: 1 | 3): Promise<Cluster>;
}

export interface Cluster {
  /** Endpoints as etcd's tools want them: `host:port,host:port`. */
  readonly endpoints: string;
  /** Returns the memory usage of all members. */
  memory(): Memory;
  /** Time on a processor so far, of all members, in seconds. */
  cpu_s(): number;
  /** Stops every member and starts it again on its data; milliseconds until it answers a read. */
  restart_ms(signal: "SIGTERM" | "SIGKILL"): Promise<number>;
  close(): Promise<void>;
}

/**
 * Memory in MiB. Resident includes shared and file-backed pages: it does not depend on other
 * processes with the same Node. Anonymous is memory without a file.
 */
export type Memory = { readonly resident: number; readonly anonymous: number };

/**
 * Pins this thread, and with it the load generators that it starts, to the second half of the
 * processors; returns the words that start a store on the first half. taskset becomes the program.
 */
export function pin(): readonly string[] {
  const count = availableParallelism();
  const half = Math.ceil(count / 2);
  const own = `${Math.min(half, count - 1)}-${count - 1}`;
  const { status } = spawnSync("taskset", ["-cp", own, String(process.pid)]);
  if (status !== 0) throw new Error("taskset failed: the rows are measured without --pinned");
  return ["taskset", "-c", `0-${half - 1}`];
}

/** Ours from the bundle of a checkout. */
export function oursOf(root: string, pinned: readonly string[] = []): Side {
  const command = [...pinned, ...bundleOf(root).store, "store"];
  return { name: "r2k store", start: (members) => startAll(command, members, 24_790) };
}

/** Ours from the bundle, and etcd. */
export function sides(pinned: readonly string[]): readonly [ours: Side, theirs: Side] {
  return [oursOf(ROOT, pinned), etcdSide(pinned)];
}

export function etcdSide(pinned: readonly string[] = []): Side {
  const etcd = peer("etcd");
  const said = spawnSync(etcd, ["--version"], { encoding: "utf8" }).stdout;
  const version = /Version: (\S+)/.exec(said)?.[1] ?? "?";
  const start = (members: number) => startAll([...pinned, etcd], members, 24_690);
  return { name: `etcd ${version}`, start };
}

async function startAll(command: string[], members: number, port: number): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const indexes = Array.from({ length: members }, (_, i) => i);
  const url = (i: number) => `http://127.0.0.1:${port + 2 * i}`;
  const peerUrl = (i: number) => `http://127.0.0.1:${port + 2 * i + 1}`;
  const initial = indexes.map((i) => `m${i}=${peerUrl(i)}`).join(",");
  const run = () =>
    indexes.map((i) => {
      const flags = {
        name: `m${i}`,
        "data-dir": join(dir, `m${i}`),
        "listen-client-urls": url(i),
        "advertise-client-urls": url(i),
        "listen-peer-urls": peerUrl(i),
        "initial-advertise-peer-urls": peerUrl(i),
        "initial-cluster": initial,
        "quota-backend-bytes": QUOTA_BYTES,
        "log-level": "fatal",
      };
      return start(command, flags);
    });
  let children = run();
  const sum = (of: (pid: number) => number) => children.reduce((all, { pid }) => all + of(pid!), 0);
  const status = (field: string) => sum((pid) => status_mib(pid, field));
  const close = async () => {
    await Promise.all(children.map((child) => ended(child, "SIGTERM")));
    rmSync(dir, { recursive: true });
  };
  await Promise.all(indexes.map((i) => answers(url(i))));
  return {
    endpoints: indexes.map((i) => url(i).slice("http://".length)).join(","),
    memory: () => ({ resident: status("VmRSS"), anonymous: status("RssAnon") }),
    cpu_s: () => sum(cpu_s),
    async restart_ms(signal) {
      await Promise.all(children.map((child) => ended(child, signal)));
      const start_ms = performance.now();
      children = run();
      await Promise.all(indexes.map((i) => answers(url(i))));
      return performance.now() - start_ms;
    },
    close,
  };
}

function start([program, ...args]: string[], flags: Record<string, string>): ChildProcess {
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
  return spawn(program!, [...args, ...words], { stdio: ["ignore", "ignore", "inherit"], env });
}

/** Resolves once a linearizable read goes through. */
async function answers(url: string): Promise<void> {
  const { port } = new URL(url);
  // A gRPC client whose connection fails waits before its next attempt, longer each time.
  const patient = { clock: systemClock(), timeout_ms: READY_TIMEOUT_MS, interval_ms: 5 };
  await waitFor(`${url} to be open`, () => open(Number(port)), patient);
  const client = connectEtcd({ endpoints: [url] });
  const read = () => client.range({ key: Buffer.from("key") }, { timeout_ms: 5_000 });
  const patience = { clock: systemClock(), timeout_ms: READY_TIMEOUT_MS, interval_ms: 10 };
  await waitFor(`the store at ${url}`, read, patience);
  await client.close();
}

function open(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** A measurement of /proc/PID/status (proc_pid_status(5)), in MiB. */
function status_mib(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
  if (kib === undefined) throw new Error(`no ${field} in /proc/${pid}/status`);
  return Number(kib) / 1024;
}

/** Returns the processor time in seconds of all children of this process that have ended. */
export const childrenCpu_s = (): number => times_s(process.pid, 13);

/** Returns a process's processor time in seconds; 0 after its end. */
function cpu_s(pid: number): number {
  try {
    return times_s(pid, 11);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return 0;
    throw thrown;
  }
}

/** Returns a user and a system time of /proc/PID/stat (proc_pid_stat(5)), added. */
function times_s(pid: number, field: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[field]) + Number(fields[field + 1])) / TICKS_PER_S;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exit;
}
