import { join } from "node:path";
import { ensureChains } from "@raft2kube/cni/lib/own-chains.ts";
import { bridgeConflist } from "@raft2kube/cni/node/conflist.ts";
import { podSourceChains } from "@raft2kube/cni/node/pod-sources.ts";
import { probeSpoofCheck } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";

/** Paths of a node's network configuration and of its allocated addresses. */
export type NodeNetworkPaths = { readonly cniConfDir: string; readonly cniAddresses: string };

/**
 * Writes the network configuration with the pods' range, which the runtime reads before each pod
 * and for the node's condition. It is replaced atomically: with an incomplete one a restarted
 * runtime would report the node as not ready.
 */
export async function writeNodeNetwork(
  paths: NodeNetworkPaths,
  podCidr: string,
  mtu?: number,
  backend?: "iptables",
): Promise<void> {
  const checkAddresses = await canCheckAddresses();
  if (!checkAddresses && backend === "iptables") await ensureChains(podSourceChains(podCidr));
  const conflist = bridgeConflist({
    name: "r2k",
    podCidr,
    dataDir: paths.cniAddresses,
    checkAddresses,
    ...given({ mtu, backend }),
  });
  await replaceFile(join(paths.cniConfDir, "10-r2k.conflist"), conflist);
}

async function canCheckAddresses(): Promise<boolean> {
  try {
    await probeSpoofCheck();
    return true;
  } catch (thrown) {
    logger("network").warn("pods can send with each other's addresses on this node", {
      reason: messageOf(thrown),
      remedy: "a kernel with nf_tables and CONFIG_NETFILTER_INGRESS",
    });
    return false;
  }
}
