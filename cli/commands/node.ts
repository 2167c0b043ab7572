import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { Command, Option } from "commander";
import { converge, convergeOrUndo } from "../converge.ts";
import { lockNodes } from "../locks/nodes.ts";
import { runningPid } from "../observe/processes.ts";
import type { ClusterConfig } from "../spec/config.ts";
import {
  checkNodeName,
  joiningNodeNames,
  joiningNodePlace,
  planJoiningNode,
  readJoiningNodes,
} from "../spec/nodes.ts";
import { apiProcess } from "../spec/processes.ts";
import { CommandError, type Progress, terminalProgress } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import {
  changedGuest,
  GUEST_DISK_GIB,
  GUEST_MEMORY_MIB,
  GUEST_PROXY_MODES,
  type GuestFlags,
  guestOf,
} from "./guest-flags.ts";
import { onInterrupt } from "./on-interrupt.ts";

interface Flags extends GuestFlags {
  name: string;
}

export function command(): Command {
  const node = new Command("node").description(
    "Nodes of a running cluster beside the first: each a network namespace that joins as a " +
      "machine would.",
  );
  const subcommand = (name: string, text: string, act: (on: NodeOf) => Promise<void>) =>
    node
      .command(`${name} <node>`)
      .description(text)
      .option("--name <name>", "the cluster's name", "default")
      .action((nodeName: string, flags: Flags) => withNode(nodeName, flags, act));
  subcommand("add", "add a node and wait until it is Ready", add)
    .option("--guest", "it has a kernel of its own (User-Mode Linux), with IPVS, NFS and SCTP")
    .option("--memory <MiB>", `all of a guest's memory (default ${GUEST_MEMORY_MIB})`)
    .option("--disk <GiB>", `what a guest's disk may grow to (default ${GUEST_DISK_GIB})`)
    .addOption(proxyMode("kind of a guest's Service rules (default ipvs)"));
  subcommand("stop", "end its processes and containers; its data and its Node stay", stop);
  subcommand("start", "start a node that was stopped, or has ended", start).addOption(
    proxyMode("change the kind of a guest's Service rules"),
  );
  subcommand("remove", "stop it, remove its data and Node, refuse its certificates", remove);
  return node;
}

const proxyMode = (text: string) =>
  new Option("--proxy-mode <mode>", text).choices(GUEST_PROXY_MODES);

interface NodeOf {
  readonly cluster: ClusterConfig;
  readonly name: string;
  readonly flags: Flags;
  readonly exists: boolean;
  readonly clock: Clock;
  readonly progress: Progress;
}

async function withNode(
  name: string,
  flags: Flags,
  act: (on: NodeOf) => Promise<void>,
): Promise<void> {
  const clock = systemClock();
  const progress = terminalProgress(clock);
  const found = await clusterOf(flags.name);
  checkNodeName(name, found);
  using _lock = await lockNodes(found, clock, progress);
  // Another call may have changed it, or removed it, until the lock was free.
  const cluster = await clusterOf(flags.name);
  if (runningPid(cluster.runDir, apiProcess(cluster)) === undefined) {
    throw new CommandError("NOT_RUNNING", `the cluster "${cluster.name}" does not run`, {
      remedy: `r2k start --name ${cluster.name}`,
    });
  }
  const exists = joiningNodeNames(cluster).includes(name);
  await act({ cluster, name, flags, exists, clock, progress });
}

async function add(on: NodeOf): Promise<void> {
  const { cluster, name, exists, flags } = on;
  if (exists) {
    throw new CommandError("NODE_EXISTS", `"${cluster.name}" has a node ${name}`, {
      remedy: `r2k node start ${name} --name ${cluster.name}`,
    });
  }
  const guest = guestOf(flags, cluster);
  await want(on, planJoiningNode(cluster, name, await readJoiningNodes(cluster), guest));
}

async function start(on: NodeOf): Promise<void> {
  const { cluster, name, flags } = on;
  requireNode(on);
  const nodes = await readJoiningNodes(cluster);
  const known = nodes.find(({ nodeName }) => nodeName === name);
  const isRunning = known !== undefined && runningPid(known.runDir, "node") !== undefined;
  const guest = known && changedGuest(flags, known, isRunning);
  await want(on, planJoiningNode(cluster, name, nodes, guest));
}

/** Starts a node. An addition is undone if it fails; the start of a known node goes on later. */
async function want({ cluster, exists, ...options }: NodeOf, node: ClusterConfig): Promise<void> {
  using interrupt = onInterrupt();
  const act = exists ? converge : convergeOrUndo;
  const spec = { wanted: "kept", cluster, nodes: [{ wanted: "started", node }] } as const;
  await act(spec, { ...options, signal: interrupt.signal });
}

async function stop(on: NodeOf): Promise<void> {
  await unwant(on, "stopped");
}

async function remove(on: NodeOf): Promise<void> {
  await unwant(on, "absent");
  on.progress.note("  its certificates are refused from now on, its pods' tokens within seconds");
}

async function unwant(on: NodeOf, wanted: "stopped" | "absent"): Promise<void> {
  requireNode(on);
  const { cluster, name } = on;
  const nodes = [{ wanted, name, node: joiningNodePlace(cluster, name) }];
  await converge({ wanted: "kept", cluster, nodes }, on);
}

function requireNode({ cluster, name, exists }: NodeOf): void {
  if (exists) return;
  const nodes = joiningNodeNames(cluster);
  const has = nodes.length === 0 ? "only the first" : nodes.join(", ");
  throw new CommandError("NO_NODE", `"${cluster.name}" has no node ${name} that joined: ${has}`, {
    remedy: `r2k node add ${name} --name ${cluster.name}`,
  });
}
