import { readFileSync } from "node:fs";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import type { ClusterConfig } from "../cluster/config.ts";
import { isStopped, readJoiningNodes } from "../cluster/joining-nodes.ts";
import { clusterFiles } from "../cluster/identities.ts";
import { PROCESS_NAMES, type ProcessName, runningPid } from "../supervisor/supervise.ts";
import {
  readRestarts,
  type Restarts,
  restartsText,
  supervisorPid,
} from "../supervisor/supervisor.ts";
import { printable } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";

export interface Status {
  readonly name: string;
  readonly processes: readonly ProcessStatus[];
  readonly api: string;
  readonly nodes: readonly { name: string; ready: boolean; stopped?: boolean }[];
  readonly pods: { readonly running: number; readonly other: number };
}

interface ProcessStatus {
  /** `control`, `node`, and `node NAME` for one that joined. */
  readonly name: string;
  /** Of a node that `r2k node stop` has stopped. */
  readonly stopped?: boolean;
  readonly pid: number | null;
  readonly pss_mib: number | null;
  /** The supervisor that restarts it; null without one. */
  readonly supervisor: number | null;
  /** Null when it has not ended since it was started by `r2k start`. */
  readonly restarts: Restarts | null;
}

export function command(): Command {
  return new Command("status")
    .description("The cluster's processes, memory, API, nodes and pods. Exit code 1 if unhealthy.")
    .option("--name <name>", "the cluster's name", "default")
    .option("-o, --output <format>", "json")
    .action(async (flags: { name: string; output?: string }) => {
      const status = await readStatus(await clusterOf(flags.name));
      const text = flags.output === "json" ? JSON.stringify(status) : describe(status);
      process.stdout.write(`${text}\n`);
      if (!isWell(status)) process.exitCode = 1;
    });
}

async function readStatus(config: ClusterConfig): Promise<Status> {
  const joined = await readJoiningNodes(config);
  const stopped = joined.filter(isStopped).map((node) => node.nodeName);
  const processes = [
    ...PROCESS_NAMES.map((name) => processStatus(config.runDir, name)),
    ...joined.map((node) => ({
      ...processStatus(node.runDir, "node"),
      name: `node ${node.nodeName}`,
      ...(stopped.includes(node.nodeName) ? { stopped: true } : {}),
    })),
  ];
  const absent = { nodes: [], pods: { running: 0, other: 0 } };
  if (processes[0]?.pid === null) return { name: config.name, processes, api: "down", ...absent };
  const connection = await kubeConnection(clusterFiles(config).kubeconfig("admin"));
  const client = new KubeClient(connection);
  try {
    const nodes = await client.resource<Node>(NODES).listAll();
    const pods = await client.resource<Pod>(PODS).listAll();
    const running = pods.items.filter((pod) => pod.status?.phase === "Running").length;
    return {
      name: config.name,
      processes,
      api: "ready",
      nodes: nodes.items.map((node) => {
        const name = node.metadata.name ?? "";
        return { name, ready: isReady(node), ...(stopped.includes(name) ? { stopped: true } : {}) };
      }),
      pods: { running, other: pods.items.length - running },
    };
  } catch (thrown) {
    return { name: config.name, processes, api: messageOf(thrown), ...absent };
  } finally {
    client.close();
  }
}

function processStatus(runDir: string, name: ProcessName): ProcessStatus {
  const pid = runningPid(runDir, name);
  return {
    name,
    pid: pid ?? null,
    pss_mib: pid === undefined ? null : pssOf(pid),
    supervisor: supervisorPid(runDir, name) ?? null,
    restarts: readRestarts(runDir, name) ?? null,
  };
}

function isReady(node: Node): boolean {
  const conditions = node.status?.conditions ?? [];
  return conditions.some((item) => item.type === "Ready" && item.status === "True");
}

function isWell(status: Status): boolean {
  const up = status.processes.every((item) => item.pid !== null || item.stopped);
  return up && status.api === "ready" && status.nodes.every((node) => node.ready || node.stopped);
}

/** The process's share of memory in MiB: shared pages counted by their part (PSS). */
function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Math.round(Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024);
}

function verdict(status: Status): string {
  if (isWell(status)) return "well";
  const ending = status.processes.find((item) => item.pid === null && item.supervisor !== null);
  if (ending) {
    const [name = "", node] = ending.name.split(" ");
    const logs = node === undefined ? name : `${name} --node ${node}`;
    return `not well (${ending.name} has ended; why: r2k logs ${logs})`;
  }
  const stopped = status.processes.every((item) => item.pid === null);
  return stopped ? "stopped (r2k start goes on from its data)" : "not well (r2k start mends it)";
}

/** A process that runs and what its supervisor did; one that keeps ending, when it goes on. */
function stateOf({ pid, pss_mib, supervisor, restarts, stopped }: ProcessStatus): string {
  if (stopped) return "stopped";
  const at = restarts && new Date(restarts.last_s * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  const ended = restarts ? `${restartsText(restarts)}, last at ${at}` : "";
  if (pid === null) {
    if (supervisor === null) return "not running";
    const next = restarts ? `; it is started again ${restarts.pause_s} s after that` : "";
    return ended === "" ? "has ended, and is started again" : `${ended}${next}`;
  }
  const notes = [`pid ${pid}`, `${pss_mib} MiB`];
  if (ended !== "") notes.push(`${ended}, and started again`);
  if (supervisor === null) notes.push("without a supervisor");
  return notes.join(", ");
}

/** The status as a person reads it. */
export function describe(status: Status): string {
  const width = Math.max(8, ...status.processes.map(({ name }) => name.length));
  const processes = status.processes.map((each) => {
    return `  ${each.name.padEnd(width)} ${stateOf(each)}`;
  });
  const nodes = status.nodes.map(({ name, ready, stopped }) => {
    return `  ${name} ${ready ? "Ready" : "NotReady"}${stopped ? " (stopped)" : ""}`;
  });
  const { running, other } = status.pods;
  return printable([
    `cluster ${status.name}: ${verdict(status)}`,
    ...processes,
    `  ${"api".padEnd(width)} ${status.api}`,
    ...nodes,
    `  ${"pods".padEnd(width)} ${running} running, ${other} other`,
  ].join("\n"));
}
