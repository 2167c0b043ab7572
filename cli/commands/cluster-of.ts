import {
  type ClusterConfig,
  checkClusterName,
  clusterRoots,
  readCluster,
} from "../cluster/config.ts";
import { CommandError } from "../terminal.ts";

/** The cluster that a command names; throws when there is none of that name. */
export async function clusterOf(name: string): Promise<ClusterConfig> {
  const config = await readCluster(checkClusterName(name), clusterRoots(process.env));
  if (config) return config;
  throw new CommandError("NO_CLUSTER", `there is no cluster "${name}" here`, {
    remedy: `start one: r2k start${name === "default" ? "" : ` --name ${name}`}`,
  });
}
