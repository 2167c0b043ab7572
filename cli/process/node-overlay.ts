import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { parseSubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import { NODE_DEVICE } from "@raft2kube/cni/node/node-repair.ts";
import { startOverlay } from "@raft2kube/overlay/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { apiServers } from "../spec/control-planes.ts";
import type { Closable } from "./started-parts.ts";

/** How long the node's range may wait for the overlay; then it is tried again. */
const READY_TIMEOUT_MS = 10_000;

export interface NodeOverlay extends Closable {
  /** Resolves when pods of other nodes can be reached: what fits into a packet, for pods' links. */
  mtu(): Promise<number>;
}

/** Starts the overlay on a node, as the node; `client` is closed with it. */
export async function startNodeOverlay(
  config: ClusterConfig,
  client: KubeClient,
  clock: Clock,
): Promise<NodeOverlay> {
  const { podCidr: Network, overlay: Type = "host-gw", nodeName, nodeAddress } = config;
  const servers = [...apiServers(config).values()];
  const subnetFile = join(config.runDir, "overlay", "subnet.env");
  const overlay = await startOverlay({
    client,
    nodeName,
    netConf: { text: JSON.stringify({ Network, Backend: { Type } }) },
    subnetFile,
    iface: NODE_DEVICE,
    publicIp: nodeAddress,
    reserved: [...[config.hostAddress, ...servers].map((one) => `${one}/32`), config.serviceCidr],
    apiServers: servers,
    ...(config.guest === undefined ? {} : { rules: "iptables" }),
    clock,
  });
  return {
    async mtu() {
      await resultWithin(clock, overlay.ready, READY_TIMEOUT_MS);
      try {
        return parseSubnetEnv(await readFile(subnetFile, "utf8"), subnetFile).mtu;
      } catch (cause) {
        const problems = overlay.problems().join("; ");
        throw new CodedError("NO_OVERLAY", `the overlay is not ready: ${problems}`, { cause });
      }
    },
    async close() {
      await overlay.close();
      client.close();
    },
  };
}
