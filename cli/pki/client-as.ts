import { KubeClient, type KubeClientOptions } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { clusterFiles, type KubeconfigUser } from "./identities.ts";

/** A client of the API as one of a cluster's users; to be closed. */
export async function clientAs(
  config: Pick<ClusterConfig, "dataDir">,
  user: KubeconfigUser,
  clock: Clock,
  options: Pick<KubeClientOptions, "userAgent" | "qps" | "burst"> = {},
): Promise<KubeClient> {
  const connection = await kubeConnection(clusterFiles(config).kubeconfig(user));
  return new KubeClient({ ...connection, clock, userAgent: `r2k-${user}`, ...options });
}
