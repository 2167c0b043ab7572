import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type Credentials, makeCredentials } from "./apiserver/credentials.ts";
import { load } from "./apiserver/load.ts";
import { type Running, type Side, sides } from "./apiserver/sides.ts";
import { type Row, median } from "./benchmark.ts";

const PODS = 10_000;
const PATCHES = 5_000;
const WATCHERS = 1_000;
const WRITES_PER_S = 200;
const STARTS = 3;
const LISTS = 9;
/** Watches are opened and have settled after this. */
const SETTLE_MS = 6_000;

/** What one side did, by the key of a row. */
type Figures = Readonly<Record<string, number>>;

/**
 * Pods created, listed, patched and watched over HTTPS: ours on our store, then kube-apiserver on
 * etcd, the same load generator on both.
 */
export async function apiserver(): Promise<Row[]> {
  const [ours, theirs] = sides();
  const mine = await measure(ours);
  const others = await measure(theirs);
  return ROWS.map(({ key, what, unit, goal }) => {
    const value = mine[key];
    const peer = others[key];
    if (value === undefined || peer === undefined) throw new Error(`nothing measured for ${key}`);
    return { what, unit, ours: value, peer: { name: theirs.name, value: peer }, goal };
  });
}

const ROWS: readonly { key: string; what: string; unit: string; goal: string }[] = [
  row("ready", "start until ready", "ms", "<= 0.5x"),
  row("create", "create pods, 50 in flight", "/s", ">= 2x"),
  row("list", "list 10,000 pods, whole, newest", "ms", "<= 1x"),
  row("list_gzip", "the same, compressed", "ms", "<= 1x"),
  row("list_cached", "list 10,000 pods, whole, from cache", "ms", "<= 1x"),
  row("list_pages", "list 10,000 pods, by 500", "ms", "<= 1x"),
  row("patch", "merge patches of pods, 50 in flight", "/s", ">= 1.5x"),
  row("events", "1,000 watchers under 200 writes/s: events delivered", "/s", ">= 2x"),
  row("delay_p50", "the same: delay from write to event, p50", "ms", ""),
  row("delay_p99", "the same: delay from write to event, p99", "ms", "<= 1x"),
  row("writes", "the same: writes done", "/s", ""),
  row("memory", "memory, 10,000 pods and 1,000 watchers (PSS, with the store)", "MiB", "<= 0.5x"),
  row("write_p99", "a write while 10,000 pods are listed each second, p99", "ms", "< 1,000 ms"),
];

function row(key: string, what: string, unit: string, goal: string) {
  return { key, what, unit, goal };
}

async function measure(side: Side): Promise<Figures> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    const ready = await starts(side, dir, credentials);
    const running = await side.start(folder(dir, "run"), credentials);
    try {
      return { ready, ...(await work(side, running, credentials)) };
    } finally {
      await running.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function starts(side: Side, dir: string, credentials: Credentials): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const running = await side.start(folder(dir, `start-${i}`), credentials);
    times.push(running.ready_ms);
    await running.close();
  }
  say(side, `ready in ${times.map(Math.round).join(", ")} ms`);
  return median(times);
}

function folder(dir: string, name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
}

async function work(side: Side, running: Running, credentials: Credentials): Promise<Figures> {
  const run = async (what: string, flags: Parameters<typeof load>[3]) => {
    const said = await load(running, credentials, what, flags);
    say(side, `${what} ${JSON.stringify(flags)}: ${JSON.stringify(said)}`);
    return said;
  };
  await running.ask("/api/v1/namespaces/default/serviceaccounts", {
    metadata: { name: "default" },
  });
  const created = await run("create", { count: PODS });
  const whole = await run("list", { count: LISTS });
  const gzip = await run("list", { count: LISTS, gzip: true });
  const cached = await run("list", { count: LISTS, "resource-version": "0" });
  const pages = await run("list", { count: LISTS, limit: 500 });
  const patched = await run("patch", { count: PATCHES });
  const watches = { clients: WATCHERS, conns: 20, count: PODS };
  const idle = run("watch", { ...watches, rate: 1, duration: "10s" });
  await delay(systemClock(), SETTLE_MS);
  const memory = running.pss_mib();
  await idle;
  const watched = await run("watch", { ...watches, rate: WRITES_PER_S, duration: "10s" });
  const listing = await run("listing", { rate: 50, duration: "20s", count: PODS });
  await sayHeld(side, running);
  return {
    create: created["rate"]!,
    list: whole["p50_ms"]!,
    list_gzip: gzip["p50_ms"]!,
    list_cached: cached["p50_ms"]!,
    list_pages: pages["p50_ms"]!,
    patch: patched["rate"]!,
    events: watched["rate"]!,
    delay_p50: watched["p50_ms"]!,
    delay_p99: watched["p99_ms"]!,
    writes: watched["write_rate"]!,
    memory,
    write_p99: listing["write_p99_ms"]!,
  };
}

/** Who held the loop longest, where the server tells (ours): the five worst by name. */
async function sayHeld(side: Side, running: Running): Promise<void> {
  const metrics = await running.ask("/metrics");
  const held = [...metrics.matchAll(/^r2k_loop_held_max_ms\{by="([^"]*)"\} (\S+)/gm)]
    .map(([, by = "", ms]) => ({ by, ms: Number(ms) }))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, 5);
  const delay = /^r2k_loop_delay_p999_ms (\S+)/m.exec(metrics)?.[1];
  if (delay === undefined) return;
  const names = held.map(({ by, ms }) => `${by} ${ms.toFixed(0)} ms`).join(", ");
  say(side, `loop delay p99.9 ${Number(delay).toFixed(0)} ms; held longest by ${names}`);
}

function say(side: Side, text: string): void {
  process.stderr.write(`  ${side.name}: ${text}\n`);
}
