import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { startApiBalancer } from "@raft2kube/proxy/api-servers/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { bootstrapPath, clusterFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { apiServers, hasSeveral } from "../spec/control-planes.ts";
import type { Parts } from "./started-parts.ts";

/**
 * Starts this machine's balancer of API servers, where the cluster has several, at the API's port
 * of loopback alone: what others sent by it would count as this machine's at the API servers.
 */
export async function startWayToServers(config: ClusterConfig, parts: Parts): Promise<void> {
  if (!hasSeveral(config)) return;
  const { apiPort: port } = config;
  const ca = await caOf(config);
  await parts.start("balancer of API servers", () =>
    startApiBalancer({
      listen: [{ host: "127.0.0.1", port }],
      servers: [...apiServers(config).values()].map((address) => ({ address, port })),
      ca,
      log: logger("api-servers"),
      clock: systemClock(),
    }),
  );
}

/** A node that has not joined has the CA with its token. */
async function caOf(config: ClusterConfig): Promise<string> {
  const ca = await readIfPresent(clusterFiles(config).pair("ca").cert);
  return ca ?? (await readKubeconfig(bootstrapPath(config))).ca ?? "";
}
