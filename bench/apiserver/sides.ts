import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Credentials } from "./credentials.ts";

export const ROOT = join(import.meta.dirname, "../..");
const READY_TIMEOUT_MS = 180_000;

/** An apiserver and its store, of one make. */
export interface Side {
  readonly name: string;
  start(dir: string, credentials: Credentials): Promise<Running>;
}

export interface Running {
  readonly server: string;
  /** Time from the start of the apiserver on a running store until `/readyz` returns ok. */
  readonly ready_ms: number;
  /** Share of memory of both processes, in MiB. */
  pss_mib(): number;
  /** CPU time of both processes so far, in ms. */
  cpu_ms(): number;
  /** Returns the response of `path`: of a GET, with a body of a POST. */
  ask(path: string, body?: object, method?: string): Promise<string>;
  close(): Promise<void>;
}

/** Ports of the two sides, which run at the same time, and of the benchmarks of controllers. */
const PORTS = {
  ours: { store: 23_890, peer: 23_891, api: 26_443 },
  peer: { store: 23_892, peer: 23_893, api: 26_444 },
  workloads: { store: 23_894, peer: 23_895, api: 26_445 },
  storage: { store: 23_896, peer: 23_897, api: 26_446 },
} as const;

interface Make {
  readonly name: string;
  readonly ports: (typeof PORTS)[keyof typeof PORTS];
  readonly store: readonly [program: string, ...args: string[]];
  readonly apiserver: readonly [program: string, ...args: string[]];
  /** Flags that this make alone has or needs. */
  flags(credentials: Credentials): Readonly<Record<string, string>>;
}

/** A program that `npm run peers` builds. */
export function peer(name: string): string {
  const path = join(ROOT, ".peers/bin", name);
  if (existsSync(path)) return path;
  throw new Error(`${path} is not built: npm run peers -- ${name} (needs Go)`);
}

/** Ours on our store, and upstream's on etcd. */
export const sides = (): readonly [ours: Side, theirs: Side] => [oursOf(ROOT), sideOf(theirs())];

/** Node with its flags as bootstrap.mjs starts store and apiserver, and the bundle. */
interface Bundle {
  readonly store: readonly [program: string, ...args: string[]];
  readonly apiserver: readonly [program: string, ...args: string[]];
}

/** Brings a checkout's bundle up to date, and returns how its parts are started. */
export function bundleOf(root: string): Bundle {
  // The launcher would be a process of its own.
  const fresh = spawnSync(join(root, "r2k"), ["version"], { stdio: ["ignore", "ignore", 2] });
  if (fresh.status !== 0) throw new Error(`r2k version failed in ${root}`);
  // env(1) becomes Node: both are one process.
  const node = [`R2K_ROOT=${root}`, join(root, "node_modules/node/bin/node")];
  const bundle = join(root, ".cache/bundle/main.js");
  return {
    store: ["env", ...node, "--max-semi-space-size=4", "--heap-growing-percent=200", bundle],
    apiserver: ["env", ...node, "--max-semi-space-size=16", bundle],
  };
}

/** Ours from the bundle of a checkout; as the peer beside that of another, or without `more`. */
export function oursOf(
  root: string,
  as: keyof typeof PORTS = "ours",
  more: Readonly<Record<string, string>> = {},
): Side {
  const { store, apiserver } = bundleOf(root);
  return sideOf({
    name: "r2k apiserver on r2k store",
    ports: PORTS[as],
    store: [...store, "store"],
    apiserver: [...apiserver, "apiserver"],
    flags: ({ ca, admin }) => ({
      "kubelet-client-certificate": admin.cert,
      "kubelet-client-key": admin.key,
      "kubelet-certificate-authority": ca,
      ...more,
    }),
  });
}

function theirs(): Make {
  const etcd = peer("etcd");
  const apiserver = peer("kube-apiserver");
  return {
    name: `kube-apiserver ${versionOf(apiserver)} on etcd ${versionOf(etcd)}`,
    ports: PORTS.peer,
    store: [etcd, "--log-level", "fatal"],
    apiserver: [apiserver, "--authorization-mode", "Node,RBAC"],
    flags: () => ({}),
  };
}

function versionOf(program: string): string {
  const said = spawnSync(program, ["--version"], { encoding: "utf8" }).stdout;
  const version = /v?(\d+\.\d+\.\d+)/.exec(said)?.[1];
  // Built from its module, kube-apiserver does not know its version; go.mod does.
  return version === undefined || version === "0.0.0" ? "1.36.0" : version;
}

function sideOf(make: Make): Side {
  return { name: make.name, start: (dir, credentials) => start(make, dir, credentials) };
}

async function start(make: Make, dir: string, credentials: Credentials): Promise<Running> {
  const { ports } = make;
  const url = `http://127.0.0.1:${ports.store}`;
  const log = openSync(join(dir, "log"), "a");
  const store = run(make.store, storeFlags(join(dir, "data"), url, ports.peer), log);
  const clock = systemClock();
  await answers(url);
  const start_ms = performance.now();
  const flags = { ...apiFlags(ports.api, url, credentials), ...make.flags(credentials) };
  const apiserver = run(make.apiserver, flags, log);
  const server = `https://127.0.0.1:${ports.api}`;
  const children = [apiserver, store];
  const close = async () => {
    for (const child of children) await ended(child);
  };
  const ready = () => ask(`${server}/readyz`, credentials);
  const patience = { clock, timeout_ms: READY_TIMEOUT_MS, interval_ms: 10 };
  try {
    await waitFor(`${make.name} to be ready`, ready, patience);
  } catch (thrown) {
    process.stderr.write(readFileSync(join(dir, "log"), "utf8").slice(-2_000));
    await close();
    throw thrown;
  }
  return {
    server,
    ready_ms: performance.now() - start_ms,
    pss_mib: () => children.reduce((sum, child) => sum + pss_mib(child.pid!), 0),
    cpu_ms: () => children.reduce((sum, child) => sum + cpu_ms(child.pid!), 0),
    ask: (path, body, method) => ask(`${server}${path}`, credentials, body, method),
    close,
  };
}

function storeFlags(dataDir: string, url: string, peerPort: number) {
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return {
    "data-dir": dataDir,
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peerUrl,
    "initial-advertise-peer-urls": peerUrl,
    "initial-cluster": `default=${peerUrl}`,
  };
}

/** kube-apiserver's spelling; ours takes the same. */
function apiFlags(port: number, etcd: string, credentials: Credentials) {
  const { ca, server, serviceAccount } = credentials;
  return {
    "etcd-servers": etcd,
    "bind-address": "127.0.0.1",
    "advertise-address": "192.0.2.10",
    "secure-port": String(port),
    "tls-cert-file": server.cert,
    "tls-private-key-file": server.key,
    "client-ca-file": ca,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-signing-key-file": serviceAccount.key,
    "service-account-key-file": serviceAccount.pub,
    "service-cluster-ip-range": "10.96.0.0/16",
  };
}

function run(
  [program, ...args]: readonly [string, ...string[]],
  flags: Readonly<Record<string, string>>,
  log: number,
): ChildProcess {
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const settings = { R2K_LOG: "warn", MALLOC_ARENA_MAX: "1" };
  const env = { ...process.env, ...settings };
  return spawn(program, [...args, ...words], { stdio: ["ignore", log, log], env });
}

async function answers(url: string): Promise<void> {
  const client = connectEtcd({ endpoints: [url] });
  const ask = () => client.status({ timeout_ms: 500 });
  await waitFor(`the store at ${url}`, ask, { clock: systemClock() });
  await client.close();
}

function ask(
  url: string,
  { ca, admin }: Credentials,
  body?: object,
  method = body === undefined ? "GET" : "POST",
): Promise<string> {
  const identity = { ca: readFileSync(ca), cert: readFileSync(admin.cert) };
  const options = {
    ...identity,
    key: readFileSync(admin.key),
    agent: false as const,
    method,
    headers: { "content-type": "application/json" },
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        if (response.statusCode! < 300) resolve(text);
        else reject(new Error(`${url}: ${response.statusCode}: ${text}`));
      });
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The share of memory of a process, in MiB. */
export function pss_mib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** The kernel counts in hundredths of a second. */
const TICK_MS = 10;

/** User and system time of a process (proc(5), fields 14 and 15 of stat). */
export function cpu_ms(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}
