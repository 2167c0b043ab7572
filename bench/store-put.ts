import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type Row, median } from "./benchmark.ts";

const ROOT = join(import.meta.dirname, "..");
const RUNS = 3;

/** One load on a store: how many Puts in all, from how many clients at once. */
interface Load {
  readonly what: string;
  readonly total: number;
  readonly clients: number;
  readonly goal: string;
}

const LOADS: readonly Load[] = [
  { what: "Put, 1 member, 100 in flight, 256 B", total: 60_000, clients: 100, goal: ">= 1.5x" },
  { what: "Put, 1 member, sequential, 256 B", total: 4_000, clients: 1, goal: ">= 1.0x" },
];

interface Side {
  readonly name: string;
  readonly port: number;
  start(dataDir: string, port: number): ChildProcess;
}

/** Puts a second over gRPC, synced: ours and etcd in turn, by etcd's own `benchmark`. */
export async function storePut(): Promise<Row[]> {
  const generator = peer("benchmark");
  const etcd = existsSync(join(ROOT, ".peers/bin/etcd")) ? peer("etcd") : "/usr/bin/etcd";
  const sides: readonly Side[] = [
    { name: "r2k store", port: 23_790, start: startOurs },
    { name: versionOf(etcd), port: 23_791, start: (dir, port) => startEtcd(etcd, dir, port) },
  ];
  const rows: Row[] = [];
  for (const load of LOADS) {
    const rates: number[][] = [[], []];
    for (let run = 0; run < RUNS; run++) {
      for (const [i, side] of sides.entries()) {
        const rate = await measure(side, load, generator);
        process.stderr.write(`  ${side.name}: ${Math.round(rate)}/s\n`);
        rates[i]!.push(rate);
      }
    }
    const [ours, theirs] = rates.map(median) as [number, number];
    const other = { name: sides[1]!.name, value: theirs };
    rows.push({ what: load.what, unit: "/s", ours, peer: other, goal: load.goal });
  }
  return rows;
}

function peer(name: string): string {
  const path = join(ROOT, ".peers/bin", name);
  if (existsSync(path)) return path;
  throw new Error(`${path} is not built: npm run peers -- etcd (needs Go)`);
}

function versionOf(etcd: string): string {
  const said = spawnSync(etcd, ["--version"], { encoding: "utf8" }).stdout;
  return `etcd ${/Version: (\S+)/.exec(said)?.[1] ?? "?"}`;
}

function startOurs(dataDir: string, port: number): ChildProcess {
  return start(join(ROOT, "r2k"), ["store", ...memberFlags(dataDir, port)]);
}

function startEtcd(etcd: string, dataDir: string, port: number): ChildProcess {
  return start(etcd, ["--log-level", "fatal", ...memberFlags(dataDir, port)]);
}

function memberFlags(dataDir: string, port: number): string[] {
  const client = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${port + 100}`;
  return [
    "--data-dir",
    dataDir,
    "--listen-client-urls",
    client,
    "--advertise-client-urls",
    client,
    "--listen-peer-urls",
    peerUrl,
    "--initial-advertise-peer-urls",
    peerUrl,
    "--initial-cluster",
    `default=${peerUrl}`,
  ];
}

function start(program: string, args: readonly string[]): ChildProcess {
  const env = { ...process.env, R2K_LOG: "warn" };
  return spawn(program, args, { stdio: ["ignore", "ignore", "inherit"], env });
}

async function measure(side: Side, load: Load, generator: string): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const child = side.start(join(dir, "data"), side.port);
  try {
    await waitFor(`${side.name} to listen`, () => reachable(side.port), { clock: systemClock() });
    const said = await run(generator, [
      "put",
      `--endpoints=127.0.0.1:${side.port}`,
      `--total=${load.total}`,
      `--clients=${load.clients}`,
      `--conns=${Math.min(10, load.clients)}`,
      "--val-size=256",
      "--key-size=32",
      "--key-space-size=10000",
    ]);
    const rate = Number(/Requests\/sec:\s*([\d.]+)/.exec(said)?.[1]);
    if (Number.isFinite(rate)) return rate;
    throw new Error(`the load generator said no rate:\n${said}`);
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true });
  }
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", () => resolve(said));
  });
}
