import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import { SYNC_DELAY_MS } from "@raft2kube/proxy/limits.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import {
  IPTABLES_PROGRAMS,
  KUBE_PROXY,
  METRICS,
  runKubeProxy,
  startApi,
} from "../test/contract/proxy/upstream.ts";
import { IN_GUEST, quoted, runGuest } from "../test/guest/guest.ts";
import { killed } from "../testing/killed.ts";
import {
  ADDRESSES,
  CLUSTER_CIDR,
  createNodeNetwork,
  type NodeNetwork,
  TARGETS,
} from "../testing/network/node-network.ts";
import { planOf } from "../testing/plan-of.ts";
import { median, type Row } from "./benchmark.ts";

const SIZES = [1_000, 10_000] as const;
const ENDPOINTS = 3;
/**
 * Changes of a round. Fewer in a guest, where each of kube-proxy's syncs, all of them full, takes
 * most of a minute.
 */
const CHANGES = process.env[IN_GUEST] === undefined ? 20 : 5;
const CONNECT_MS = 3_000;
const CONNECT_RUNS = 5;
/** Long: iptables-nft-restore takes minutes for kube-proxy's 40,000 chains in one transaction. */
const START_MS = 900_000;
const GUEST_MS = 2_400_000;
/** Rest before memory is measured: ours collects what its start left 30 s after it. */
const REST_MS = 35_000;
const ROOT = join(import.meta.dirname, "..");
const clock = systemClock();

interface Measurements {
  fullSync: number;
  oneChange: number;
  memory_MiB: number;
  connections: number;
}

/**
 * Services of 3 endpoints: full sync, one change, memory, connections/s, beside kube-proxy in the
 * same mode. Arguments: modes (all of them; ipvs in a guest, with 1,000 Services), then sizes
 * (1000 10000).
 */
export async function proxy(args: readonly string[]): Promise<Row[]> {
  const modes = MODE_NAMES.filter((mode) => args.includes(mode));
  const sizes = args.map(Number).filter((size) => size > 0);
  const rows: Row[] = [];
  for (const mode of modes.length > 0 ? modes : MODE_NAMES) {
    if (mode === "ipvs" && process.env[IN_GUEST] === undefined) {
      rows.push(...(await inGuest(sizes[0] ?? SIZES[0])));
      continue;
    }
    for (const count of sizes.length > 0 ? sizes : SIZES) rows.push(...(await atSize(mode, count)));
  }
  return rows;
}

/** Measures IPVS in a guest, whose kernel has it; both sides are several times as slow there. */
async function inGuest(count: number): Promise<Row[]> {
  const measure = [
    `import { proxy } from "${import.meta.filename}";`,
    `const rows = await proxy(["ipvs", "${count}"]);`,
    "process.stdout.write(`ROWS ${JSON.stringify(rows)}\\n`);",
  ].join(" ");
  const output = await runGuest({
    // kube-proxy runs these, of which the guest's kernel has no NAT for the ones on nftables.
    script: [
      ...IPTABLES_PROGRAMS.map((name) => `ln -sf xtables-legacy-multi /usr/sbin/${name}`),
      `${process.execPath} --input-type=module -e ${quoted(measure)} 2>&1`,
    ].join("\n"),
    modules: ["ip_vs", "nf_conntrack_netlink"],
    memory_MiB: 2048,
    timeout_ms: GUEST_MS,
  });
  const rows = /^ROWS (.*)$/m.exec(output)?.[1];
  if (rows === undefined) throw new Error(`the guest measured nothing: ${output.slice(-2_000)}`);
  return JSON.parse(rows) as Row[];
}

async function atSize(mode: ModeName, count: number): Promise<Row[]> {
  const net = await createNodeNetwork();
  const api = await startApi();
  try {
    process.stderr.write(`${count} Services, ${mode}\n`);
    for (let at = 0; at < count; at += 50) {
      const some = Array.from({ length: Math.min(50, count - at) }, (_, i) => at + i);
      await Promise.all(some.map((i) => api.served.set(service(i), slice(i))));
    }
    const memory_MiB = await memoryOfOurs(mode, api, net, count);
    const own = { ...(await ours(mode, count, net)), memory_MiB };
    process.stderr.write(`ours: ${JSON.stringify(own)}\n`);
    const hasPeer = existsSync(KUBE_PROXY) && mode !== "userspace";
    const peer = hasPeer ? await upstream(mode, api, net, count) : undefined;
    return rowsOf(`${mode}, ${count} Services`, own, peer);
  } finally {
    await api.served.close();
    net.close();
  }
}

function rowsOf(title: string, own: Measurements, peer: Measurements | undefined): Row[] {
  const row = (what: string, unit: string, part: keyof Measurements, goal: string): Row => ({
    what: `${title}: ${what}`,
    unit,
    ours: own[part],
    ...(peer ? { peer: { name: "kube-proxy 1.36", value: peer[part] } } : {}),
    goal,
  });
  return [
    row("full sync", "ms", "fullSync", "<= 0.5x"),
    row("one change", "ms", "oneChange", "<= 10 ms"),
    row("memory", "MiB", "memory_MiB", "<= 0.5x"),
    row("connections", "/s", "connections", ">= 1x"),
  ];
}

const addressOf = (i: number) => `10.96.${16 + Math.floor(i / 250)}.${1 + (i % 250)}`;

function service(i: number): Service {
  return {
    metadata: { namespace: "default", name: `s${i}` },
    spec: {
      clusterIP: addressOf(i),
      clusterIPs: [addressOf(i)],
      ports: [{ name: "p", port: 80, protocol: "TCP" }],
    },
  };
}

/** Each third endpoint differs with `turn`; the pod that answers is always the first Service's. */
function slice(i: number, turn = 0): EndpointSlice {
  const address = (k: number) => `10.244.${1 + Math.floor(i / 80)}.${1 + (i % 80) * 3 + k}`;
  const last = `10.244.200.${turn + 1}`;
  const all = [address(0), address(1), turn === 0 ? address(2) : last];
  const addresses = i === 0 ? [ADDRESSES.two] : all.slice(0, ENDPOINTS);
  return {
    metadata: {
      namespace: "default",
      name: `s${i}-1`,
      labels: { "kubernetes.io/service-name": `s${i}` },
    },
    addressType: "IPv4",
    ports: [{ name: "p", port: TARGETS.http, protocol: "TCP" }],
    endpoints: addresses.map((one) => ({ addresses: [one], conditions: { ready: true } })),
  };
}

async function ours(
  mode: ModeName,
  count: number,
  net: NodeNetwork,
): Promise<Omit<Measurements, "memory_MiB">> {
  const rules = modeNamed(mode).create({ clusterCidr: CLUSTER_CIDR, clock, log: logger("bench") });
  const planned = (i: number, turn = 0) => planOf(service(i), [slice(i, turn)], "here").ports;
  const fullSync = await timed(() =>
    rules.rebuild(Array.from({ length: count }, (_, i) => planned(i)).flat(), []),
  );
  const changes: number[] = [];
  for (let turn = 1; turn <= CHANGES; turn++) {
    const ports = new Map(planned(count - 1, turn).map((port) => [port.key, port]));
    // As the loop does. The kernel deletes former rules after a transaction, and the next waits.
    await delay(clock, SYNC_DELAY_MS);
    changes.push(await timed(() => rules.change(ports)));
  }
  const connections = await rate(net);
  await rules.close();
  await modeNamed(mode).remove();
  return { fullSync, oneChange: median(changes), connections };
}

type Api = Awaited<ReturnType<typeof startApi>>;

async function memoryOfOurs(
  mode: ModeName,
  api: Api,
  net: NodeNetwork,
  count: number,
): Promise<number> {
  const kubeconfig = await api.server.kubeconfigFor("system:kube-proxy");
  const flags = ["--kubeconfig", kubeconfig, "--hostname-override", "here", "--proxy-mode", mode];
  const args = [join(ROOT, "cli/main.ts"), "proxy", ...flags, "--cluster-cidr", CLUSTER_CIDR];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  child.on("error", (error) => process.stderr.write(`${error.message}\n`));
  await served(net, count);
  await delay(clock, REST_MS);
  const used = memoryOf(child.pid ?? 0);
  await killed(child, "SIGTERM");
  await modeNamed(mode).remove();
  return used;
}

async function upstream(
  mode: "nftables" | "iptables" | "ipvs",
  api: Api,
  net: NodeNetwork,
  count: number,
): Promise<Measurements> {
  const running = await runKubeProxy(mode, api.server);
  await served(net, count);
  // In mode ipvs all syncs are full.
  const kinds = mode === "ipvs" ? ["", ""] : ["full_", "partial_"];
  const [whole = "", part = ""] = kinds.map((kind) => `${kind}proxy_rules_duration_seconds`);
  const full = await waitFor(
    "the end of the full sync",
    async () => {
      const now = await metric(whole);
      return now.count > 0 ? now : undefined;
    },
    { clock, timeout_ms: START_MS },
  );
  process.stderr.write(`kube-proxy's full sync: ${JSON.stringify(full)}\n`);
  const changes: number[] = [];
  for (let turn = 1; turn <= CHANGES; turn++) {
    const before = await metric(part);
    await api.served.set(service(count - 1), slice(count - 1, turn));
    const after = await waitFor(
      "a partial sync",
      async () => {
        const now = await metric(part);
        return now.count > before.count ? now : undefined;
      },
      { clock, timeout_ms: START_MS },
    );
    changes.push((1000 * (after.sum - before.sum)) / (after.count - before.count));
  }
  await delay(clock, REST_MS);
  const measured = {
    fullSync: (1000 * full.sum) / full.count,
    oneChange: median(changes),
    memory_MiB: memoryOf(running.pid),
    connections: await rate(net),
  };
  await running.close();
  return measured;
}

/** Waits until the first Service answers. */
async function served(net: NodeNetwork, count: number): Promise<void> {
  const options = { clock, timeout_ms: START_MS, interval_ms: 200 };
  await waitFor(
    `${count} Services`,
    async () => /^two /.test(await net.outside.ask(addressOf(0), 80, { timeout_ms: 500 })),
    options,
  );
}

/** The median of some runs; a first one warms the client and the server up. */
async function rate(net: NodeNetwork): Promise<number> {
  const rates: number[] = [];
  for (let run = 0; run <= CONNECT_RUNS; run++) {
    rates.push((await net.outside.many(addressOf(0), 80, CONNECT_MS)) / (CONNECT_MS / 1000));
  }
  return median(rates.slice(1));
}

/** Sum and count of one of kube-proxy's histograms, IPv4. */
async function metric(name: string): Promise<{ sum: number; count: number }> {
  const text = await (await fetch(`http://${METRICS}/metrics`)).text();
  const value = (part: string) => {
    const line = new RegExp(`^kubeproxy_sync_${name}_${part}({[^}]*IPv4[^}]*})? (\\S+)$`, "m");
    return Number(line.exec(text)?.[2] ?? 0);
  };
  return { sum: value("sum"), count: value("count") };
}

/** A process and the programs that it keeps running. */
function memoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").match(/\d+/g) ?? [];
  const own_MiB = Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
  return children.reduce((sum_MiB, child) => sum_MiB + memoryOf(Number(child)), own_MiB);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start_ms = performance.now();
  await work();
  return performance.now() - start_ms;
}
