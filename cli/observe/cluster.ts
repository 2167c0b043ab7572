import { existsSync } from "node:fs";
import { asError } from "@raft2kube/std/errors.ts";
import {
  type ClusterConfig,
  type ClusterPlace,
  configPath,
  readConfigFile,
} from "../spec/config.ts";
import {
  controlPlaneNames,
  controlPlanePlace,
  foundControlPlanes,
} from "../spec/control-planes.ts";
import { handPlace } from "../spec/leftovers.ts";
import { joiningNodeNames, joiningNodePlace } from "../spec/nodes.ts";
import { ALL_PROCESS_NAMES, type ProcessName, processNames } from "../spec/processes.ts";
import { runningPid, supervisorPid } from "./processes.ts";

/** The state of a cluster on this machine: its files and processes. */
export interface Observation {
  /** Whether it has a configuration. */
  readonly isWritten: boolean;
  /** Whether something was made by hand in its folders. */
  readonly hasHand: boolean;
  /** The processes that run, the first node's included. */
  readonly running: ReadonlySet<ProcessName>;
  /** The control planes on machines of their own that run, by name. */
  readonly controlPlanes: ReadonlySet<string>;
  /** The nodes beside the first that have a folder, by name. */
  readonly nodes: ReadonlyMap<string, ObservedNode>;
}

export interface ObservedNode {
  /** The configuration: undefined when it was not written yet, an error when it is unreadable. */
  readonly config: ClusterConfig | Error | undefined;
  readonly runs: boolean;
  /** A process that has ended is started again. */
  readonly isSupervised: boolean;
}

export async function observe(cluster: ClusterPlace): Promise<Observation> {
  const names = joiningNodeNames(cluster);
  const nodes = names.map(async (name) => {
    return [name, await observeNode(joiningNodePlace(cluster, name))] as const;
  });
  return {
    isWritten: existsSync(configPath(cluster.dataDir)),
    hasHand: existsSync(handPlace(cluster).dataDir),
    running: runningProcesses(cluster),
    controlPlanes: runningControlPlanes(cluster),
    nodes: new Map(await Promise.all(nodes)),
  };
}

async function observeNode({ name, dataDir, runDir }: ClusterPlace): Promise<ObservedNode> {
  const path = configPath(dataDir);
  return {
    config: existsSync(path) ? await readConfigFile(path, name).catch(asError) : undefined,
    runs: runningPid(runDir, "node") !== undefined,
    isSupervised: supervisorPid(runDir, "node") !== undefined,
  };
}

/** The processes of a cluster that run, but for those of the nodes beside the first. */
export function runningProcesses({ runDir }: Pick<ClusterPlace, "runDir">): Set<ProcessName> {
  return new Set(ALL_PROCESS_NAMES.filter((name) => runningPid(runDir, name) !== undefined));
}

/** The control planes on machines of their own that run. */
export function runningControlPlanes(cluster: ClusterPlace): Set<string> {
  return new Set(
    foundControlPlanes(cluster).filter((name) => {
      return runningPid(controlPlanePlace(cluster, name).runDir, "control") !== undefined;
    }),
  );
}

/** Whether a process of the cluster runs, of the control plane or of a node. */
export function runsInPart({ running, controlPlanes, nodes }: Observation): boolean {
  return running.size > 0 || controlPlanes.size > 0 || [...nodes.values()].some(({ runs }) => runs);
}

type Running = Pick<Observation, "running" | "controlPlanes">;

/** Whether all processes of the control plane run. */
export const hasControlPlane = (
  { running, controlPlanes }: Running,
  cluster: ClusterConfig,
): boolean =>
  controlPlaneNames(cluster).every((name) => controlPlanes.has(name)) &&
  processNames(cluster).every((name) => name === "node" || running.has(name));

/** Whether all processes of the control plane and of the first node run. */
export function isWhole(seen: Running, cluster: ClusterConfig): boolean {
  return hasControlPlane(seen, cluster) && seen.running.has("node");
}
