import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { peer } from "../apiserver/sides.ts";

const ROOT = join(import.meta.dirname, "../..");
const READY_TIMEOUT_MS = 120_000;
const TICKS_PER_S = 100;

/** A store of one make: ours, or etcd. */
export interface Side {
  readonly name: string;
  /** Starts a cluster with nothing in it. */
  start(members: 1 | 3): Promise<Cluster>;
}

export interface Cluster {
  /** As etcd's tools want them: `host:port,host:port`. */
  readonly endpoints: string;
  /** The share of memory of all members, in MiB. */
  pss_mib(): number;
  /** Time on a processor so far, of all members, in seconds. */
  cpu_s(): number;
  /** Stops every member and starts it again on its data; milliseconds until it answers a read. */
  restart_ms(): Promise<number>;
  close(): Promise<void>;
}

/** Ours from the bundle, and etcd. */
export function sides(): readonly [ours: Side, theirs: Side] {
  // The launcher brings the bundle up to date, and would be a process of its own.
  const fresh = spawnSync(join(ROOT, "r2k"), ["version"], { stdio: ["ignore", "ignore", 2] });
  if (fresh.status !== 0) throw new Error("r2k version failed");
  const node = join(ROOT, "node_modules/node/bin/node");
  // As bootstrap.mjs starts it.
  const ours = [node, "--max-semi-space-size=4", join(ROOT, ".cache/bundle/main.js"), "store"];
  const etcd = peer("etcd");
  const said = spawnSync(etcd, ["--version"], { encoding: "utf8" }).stdout;
  const version = /Version: (\S+)/.exec(said)?.[1] ?? "?";
  return [
    { name: "r2k store", start: (members) => startAll(ours, members, 24_790) },
    {
      name: `etcd ${version}`,
      start: (members) => startAll([etcd, "--log-level", "fatal"], members, 24_690),
    },
  ];
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
      };
      return start(command, flags);
    });
  let children = run();
  const sum = (of: (pid: number) => number) => children.reduce((all, { pid }) => all + of(pid!), 0);
  const close = async () => {
    await Promise.all(children.map(ended));
    rmSync(dir, { recursive: true });
  };
  await Promise.all(indexes.map((i) => answers(url(i))));
  return {
    endpoints: indexes.map((i) => url(i).slice("http://".length)).join(","),
    pss_mib: () => sum(pss_mib),
    cpu_s: () => sum(cpu_s),
    async restart_ms() {
      await Promise.all(children.map(ended));
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
  const settings = { R2K_LOG: "error", R2K_ROOT: ROOT, MALLOC_ARENA_MAX: "1" };
  const env = { ...process.env, ...settings };
  return spawn(program!, [...args, ...words], { stdio: ["ignore", "ignore", "inherit"], env });
}

/** Resolves once a linearizable read goes through. */
async function answers(url: string): Promise<void> {
  const { port } = new URL(url);
  // A gRPC client that found nobody waits before it tries again, longer each time.
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

function pss_mib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** Time that a process has spent on a processor, in seconds; 0 once it is gone. */
export function cpu_s(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return 0;
    throw thrown;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exit;
}
