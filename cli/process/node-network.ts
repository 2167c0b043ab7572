import { join } from "node:path";
import { bridgeConflist } from "@raft2kube/cni/node/conflist.ts";
import { replaceFile } from "@raft2kube/linux/durable-file.ts";

/** Where a node's network configuration and the addresses it has given out are. */
export interface NodeNetworkPaths {
  readonly cniConfDir: string;
  readonly cniAddresses: string;
}

/**
 * Gives the node's pods their range: the network configuration that the runtime reads before each
 * pod and for the node's condition. It is replaced as a whole: the runtime that found half of it at
 * a restart would call the node not ready, with all its pods running.
 */
export async function writeNodeNetwork(paths: NodeNetworkPaths, podCidr: string): Promise<void> {
  const conflist = bridgeConflist({ name: "r2k", podCidr, dataDir: paths.cniAddresses });
  await replaceFile(join(paths.cniConfDir, "10-r2k.conflist"), conflist);
}
