import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { isWhole, runningControlPlanes, runningProcesses } from "../observe/cluster.ts";
import { type ClusterConfig, clusterRoots, findClusters } from "../spec/config.ts";
import { findLeftovers } from "../spec/leftovers.ts";
import { joiningNodeNames } from "../spec/nodes.ts";
import { CommandError, printResult } from "../terminal.ts";

/** A cluster below this R2K_DATA. */
interface Listed {
  readonly name: string;
  /**
   * `partly`: some of its processes run. `unusable`: `why` its configuration cannot be read.
   * `leftover`: folders without one.
   */
  readonly state: "running" | "partly" | "stopped" | "unusable" | "leftover";
  readonly nodes?: number;
  readonly server?: string;
  readonly why?: string;
}

const NAME_WIDTH = 16;
const STATE_WIDTH = 8;

export function command(): Command {
  return new Command("list")
    .description("The clusters of this host: state, number of nodes, the API's address.")
    .option("-o, --output <format>", "json")
    .action(async ({ output }: { output?: string }) => {
      printResult(output, await listClusterStates(), (all) => printable(describeList(all)));
    });
}

/** The clusters below R2K_DATA, by name. */
export async function listClusterStates(): Promise<Listed[]> {
  const roots = clusterRoots(process.env);
  const found = await findClusters(roots);
  const listed = found.map(({ name, config }): Listed => {
    if (config instanceof CommandError) return { name, state: "unusable", why: config.message };
    const nodes = 1 + joiningNodeNames(config).length;
    return { name, state: stateOf(config), nodes, server: `https://127.0.0.1:${config.apiPort}` };
  });
  const unlisted = findLeftovers(roots).filter((name) => found.every((one) => one.name !== name));
  const why = "no cluster: made by hand, or left by a removal";
  const leftovers = unlisted.map((name): Listed => ({ name, state: "leftover", why }));
  return [...listed, ...leftovers];
}

function stateOf(config: ClusterConfig): Listed["state"] {
  const running = runningProcesses(config);
  const controlPlanes = runningControlPlanes(config);
  if (running.size === 0) return "stopped";
  return isWhole({ running, controlPlanes }, config) ? "running" : "partly";
}

/** The clusters as a person reads them. */
export function describeList(clusters: readonly Listed[]): string {
  const line = (name: string, state: string, nodes: unknown, last: string) =>
    [name.padEnd(NAME_WIDTH), state.padEnd(STATE_WIDTH), String(nodes).padEnd(5), last].join("  ");
  return [
    line("NAME", "STATE", "NODES", "SERVER"),
    ...clusters.map(({ name, state, nodes, server, why }) => {
      return line(name, state, nodes ?? "-", server ?? why ?? "");
    }),
  ].join("\n");
}
