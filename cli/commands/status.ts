import { readFileSync } from "node:fs";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { kubeConnection } from "@raft2kube/client-kube/kubeconfig.ts";
import { NODES, PODS } from "@raft2kube/client-kube/resources.ts";
import { KubeClient } from "@raft2kube/client-kube/rest.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import type { ClusterConfig } from "../cluster/config.ts";
import { clusterFiles } from "../cluster/identities.ts";
import { runningPid } from "../process/supervise.ts";
import { clusterOf } from "./cluster-of.ts";

export interface Status {
  readonly name: string;
  readonly processes: readonly { name: string; pid: number | null; pss_mib: number | null }[];
  readonly api: string;
  readonly nodes: readonly { name: string; ready: boolean }[];
  readonly pods: { readonly running: number; readonly other: number };
}

export function command(): Command {
  return new Command("status")
    .description("The cluster's processes, memory, API, nodes and pods. Exit code 1 when not well.")
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
  const processes = ["control", "node"].map((name) => {
    const pid = runningPid(config.runDir, name);
    return { name, pid: pid ?? null, pss_mib: pid === undefined ? null : pssOf(pid) };
  });
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
      nodes: nodes.items.map((node) => ({ name: node.metadata.name ?? "", ready: isReady(node) })),
      pods: { running, other: pods.items.length - running },
    };
  } catch (thrown) {
    return { name: config.name, processes, api: messageOf(thrown), ...absent };
  } finally {
    client.close();
  }
}

function isReady(node: Node): boolean {
  const conditions = node.status?.conditions ?? [];
  return conditions.some((item) => item.type === "Ready" && item.status === "True");
}

function isWell(status: Status): boolean {
  const up = status.processes.every((item) => item.pid !== null);
  return up && status.api === "ready" && status.nodes.every((node) => node.ready);
}

/** The process's share of memory in MiB: shared pages counted by their part (PSS). */
function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Math.round(Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024);
}

function verdict(status: Status): string {
  if (isWell(status)) return "well";
  const stopped = status.processes.every((item) => item.pid === null);
  return stopped ? "stopped (r2k start goes on from its data)" : "not well (r2k start mends it)";
}

/** The status as a person reads it. */
export function describe(status: Status): string {
  const processes = status.processes.map(({ name, pid, pss_mib }) => {
    return `  ${name.padEnd(8)} ${pid === null ? "not running" : `pid ${pid}, ${pss_mib} MiB`}`;
  });
  const nodes = status.nodes.map(({ name, ready }) => `  ${name} ${ready ? "Ready" : "NotReady"}`);
  const { running, other } = status.pods;
  return [
    `cluster ${status.name}: ${verdict(status)}`,
    ...processes,
    `  api      ${status.api}`,
    ...nodes,
    `  pods     ${running} running, ${other} other`,
  ].join("\n");
}
