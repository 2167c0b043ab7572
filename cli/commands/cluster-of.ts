import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { clusterFiles } from "../pki/identities.ts";
import {
  type ClusterConfig,
  checkClusterName,
  clusterRoots,
  findClusters,
  readCluster,
  startCommand,
} from "../spec/config.ts";
import { CommandError } from "../terminal.ts";

/** The cluster of a command that looks and names none: in `r2k shell`, the shell's. */
export const clusterHere = () => process.env["R2K_CLUSTER"] ?? "default";

/** The cluster that a command names; throws when there is none of that name. */
export async function clusterOf(name: string): Promise<ClusterConfig> {
  const config = await readCluster(checkClusterName(name), clusterRoots(process.env));
  if (config) return config;
  throw await noCluster(name, `start one: ${startCommand({ name })}`);
}

/** An administrator's access to the cluster that a command names, or that of a kubeconfig. */
export async function accessOf(flags: { readonly name: string; readonly kubeconfig?: string }) {
  const admin = async () => clusterFiles(await clusterOf(flags.name)).kubeconfig("admin");
  return kubeConnection(flags.kubeconfig ?? (await admin()));
}

/** An error that names the clusters that exist. */
export async function noCluster(name: string, remedy: string): Promise<CommandError> {
  const roots = clusterRoots(process.env);
  const names = (await findClusters(roots)).map((found) => found.name).join(", ");
  const others = `${roots.data} has ${names === "" ? "none" : names}`;
  const what = `there is no cluster "${name}" here: ${others}`;
  return new CommandError("NO_CLUSTER", what, { remedy });
}
