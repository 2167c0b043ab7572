import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { askProxy } from "../observe/node-proxy.ts";
import { pssOf_MiB } from "../observe/process-table.ts";
import {
  type Restarts,
  readRestarts,
  restartsText,
  runningPid,
  supervisorPid,
} from "../observe/processes.ts";
import { runningClient } from "../observe/running-api.ts";
import { type Comparison, compareViews, readyNodes } from "../observe/views.ts";
import { type ClusterConfig, proxyModeOf, startCommand } from "../spec/config.ts";
import { isStopped, readJoiningNodes } from "../spec/nodes.ts";
import { allProcesses, logsCommand, type ProcessName } from "../spec/processes.ts";
import { runningOwnParts } from "../supervisor/own-parts.ts";
import { onOneLine, printResult } from "../terminal.ts";
import { clusterHere, clusterOf } from "./cluster-of.ts";

export interface Status {
  readonly name: string;
  readonly processes: readonly ProcessStatus[];
  readonly api: string;
  readonly nodes: readonly NodeStatus[];
  readonly pods: { readonly running: number; readonly other: number };
  /** The NFS server that the cluster has (`r2k start --nfs-demo`); null without one. */
  readonly nfs: NfsStatus | null;
  /** The labs whose part in the running processes is the reader's. */
  readonly ownParts: readonly string[];
  /**
   * The states of the store, the apiserver's cache and the kubelets compared; null when it was not
   * compared.
   */
  readonly views: Comparison | null;
}

interface NodeStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly stopped?: boolean;
  /** The kind of rules that serve Services there; absent for another machine's Node. */
  readonly proxyMode?: ModeName;
  /** The last error of its proxy, until a sync succeeds; absent otherwise. */
  readonly proxyError?: string;
}

interface NfsStatus {
  readonly node: string;
  /** `10.200.0.3:/` */
  readonly server: string;
  /** Bound of all of its volumes together. */
  readonly size_mib: number;
}

const DIFFERENCES_SHOWN_MAX = 5;

interface ProcessStatus {
  /** `control`, `node`, and `node NAME` for one that joined. */
  readonly name: string;
  /** Whether `r2k node stop` has stopped the node. */
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
    .option("--name <name>", "the cluster's name", clusterHere())
    .option("-o, --output <format>", "json")
    .action(async (flags: { name: string; output?: string }) => {
      const status = await readStatus(await clusterOf(flags.name));
      printResult(flags.output, status, describe);
      if (!isWell(status)) process.exitCode = 1;
    });
}

export async function readStatus(config: ClusterConfig): Promise<Status> {
  const joined = await readJoiningNodes(config);
  const stopped = joined.filter(isStopped).map((node) => node.nodeName);
  const processes = processStatuses(config, joined);
  const ownParts = [...new Set([config, ...joined].flatMap(runningOwnParts))].sort();
  const known = { name: config.name, processes, nfs: nfsOf(joined), ownParts };
  const absent = { nodes: [], pods: { running: 0, other: 0 }, views: null };
  using client = await runningClient(config);
  if (client === undefined) return { ...known, api: "down", ...absent };
  try {
    const nodes = await client.resource(NODES).listAll();
    const pods = await client.resource(PODS).listAll();
    const running = pods.items.filter((pod) => pod.status?.phase === "Running").length;
    const ready = readyNodes(nodes.items);
    return {
      ...known,
      api: "ready",
      nodes: await Promise.all(
        nodes.items.map(async ({ metadata: { name = "" } }) => {
          const isNodeStopped = stopped.includes(name) ? { stopped: true } : {};
          const own = [config, ...joined].find(({ nodeName }) => nodeName === name);
          const proxy = own === undefined ? {} : await proxyOf(own);
          return { name, ready: ready.includes(name), ...isNodeStopped, ...proxy };
        }),
      ),
      pods: { running, other: pods.items.length - running },
      views: await compareViews(config, client, ready, systemClock()),
    };
  } catch (thrown) {
    return { ...known, api: messageOf(thrown), ...absent };
  }
}

/** The proxy of the running process; the configured one if none answers, as with a guest. */
async function proxyOf(node: ClusterConfig): Promise<Pick<NodeStatus, "proxyMode" | "proxyError">> {
  const state = node.guest ? undefined : await askProxy(node).catch(() => undefined);
  const { mode = proxyModeOf(node), error } = state ?? {};
  return { proxyMode: mode, ...given({ proxyError: error }) };
}

/** The processes of a cluster, and those of the nodes that joined it. */
export function processStatuses(
  config: ClusterConfig,
  joined: readonly ClusterConfig[],
): ProcessStatus[] {
  return allProcesses(config, joined).map(({ title, name, of }) => ({
    ...processStatus(of.runDir, name),
    name: title,
    ...(of !== config && isStopped(of) ? { stopped: true } : {}),
  }));
}

function nfsOf(joined: readonly ClusterConfig[]): NfsStatus | null {
  const server = joined.find(({ guest }) => guest?.nfsExport_MiB !== undefined);
  if (server === undefined) return null;
  const { nodeName: node, nodeAddress, guest } = server;
  return { node, server: `${nodeAddress}:/`, size_mib: guest!.nfsExport_MiB! };
}

function processStatus(runDir: string, name: ProcessName): ProcessStatus {
  const pid = runningPid(runDir, name);
  return {
    name,
    pid: pid ?? null,
    pss_mib: pid === undefined ? null : (pssOf_MiB(pid) ?? null),
    supervisor: supervisorPid(runDir, name) ?? null,
    restarts: readRestarts(runDir, name) ?? null,
  };
}

function isWell(status: Status): boolean {
  const up = status.processes.every((item) => item.pid !== null || item.stopped);
  const ready = status.nodes.every((node) => node.ready || node.stopped);
  const agrees = (status.views?.differences.length ?? 0) === 0;
  return up && status.api === "ready" && ready && agrees;
}

function verdict(status: Status): string {
  if (isWell(status)) return "well";
  const ending = status.processes.find((item) => item.pid === null && item.supervisor !== null);
  if (ending) {
    const [name = "", node] = ending.name.split(" ");
    return `not well (${ending.name} has ended; why: ${logsCommand(status.name, name, node)})`;
  }
  if (status.views !== null && status.views.differences.length > 0) {
    return "not well (events were lost on the way: see views)";
  }
  const stopped = status.processes.every((item) => item.pid === null);
  const start = startCommand(status);
  return stopped ? `stopped (${start} goes on from its data)` : `not well (${start} mends it)`;
}

/** A process that runs and what its supervisor did; one that keeps ending, when it goes on. */
function stateOf({ pid, pss_mib, supervisor, restarts, stopped }: ProcessStatus): string {
  if (stopped && pid === null) return "stopped";
  const at = restarts && new Date(restarts.last_s * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  const ended = restarts ? `${restartsText(restarts)}, last at ${at}` : "";
  if (pid === null) {
    if (supervisor === null) return "not running";
    const next = restarts ? `; it is started again ${restarts.pause_s} s after that` : "";
    return ended === "" ? "has ended, and is started again" : `${ended}${next}`;
  }
  const notes = [`pid ${pid}`, ...(pss_mib === null ? [] : [`${pss_mib} MiB`])];
  if (ended !== "") notes.push(`${ended}, and started again`);
  if (supervisor === null) notes.push("without a supervisor");
  if (stopped) notes.push("to be stopped: r2k node stop has not ended");
  return notes.join(", ");
}

/** The first differences between what the store, the cache and the kubelets know. */
function viewsOf({ views }: Status): string[] {
  if (views === null || views.differences.length === 0) return [];
  const shown = views.differences.slice(0, DIFFERENCES_SHOWN_MAX);
  const more = views.differences.length - shown.length;
  const lines = [...shown, ...(more > 0 ? [`... and ${more} more`] : [])];
  return lines.map((line) => `  views    ${onOneLine(line)}`);
}

/** The reader's parts in a sentence. */
export function ownPartsText(labs: readonly string[]): string {
  return `your part of lab ${labs.join(", ")} in place of the reference`;
}

function nfsText({ node, server, size_mib }: NfsStatus): string {
  return `${server} on node ${node}, at most ${size_mib} MiB; its volumes are of the class nfs`;
}

/** The status as a person reads it. */
export function describe(status: Status): string {
  const width = Math.max(8, ...status.processes.map(({ name }) => name.length));
  const processes = status.processes.map((each) => `  ${each.name.padEnd(width)} ${stateOf(each)}`);
  const nodes = status.nodes.map(({ name, ready, stopped, proxyMode, proxyError }) => {
    const mode = proxyMode === undefined ? "" : `, Services by ${proxyMode}`;
    const failed = proxyError === undefined ? "" : ` (not applied: ${proxyError})`;
    const state = `${ready ? "Ready" : "NotReady"}${stopped ? " (stopped)" : ""}`;
    return `  ${name} ${state}${mode}${failed}`;
  });
  const { running, other } = status.pods;
  return printable(
    [
      `cluster ${status.name}: ${verdict(status)}`,
      ...processes,
      `  ${"api".padEnd(width)} ${status.api}`,
      ...nodes,
      `  ${"pods".padEnd(width)} ${running} running, ${other} other`,
      ...viewsOf(status),
      ...(status.nfs === null ? [] : [`  ${"nfs".padEnd(width)} ${nfsText(status.nfs)}`]),
      ...(status.ownParts.length > 0 ? [`  yours    ${ownPartsText(status.ownParts)}`] : []),
    ].join("\n"),
  );
}
