/** Options of both kinds of network. */
interface NetworkOptions {
  name: string;
  /** Directory of host-local's allocated addresses. */
  dataDir: string;
  bridge?: string;
  /** Whether packets with source addresses of others are dropped. Default true. */
  checkAddresses?: boolean;
}

/**
 * Returns the network configuration of a node whose pods have addresses of `podCidr` on one bridge,
 * as text for a file of /etc/cni/net.d. Without masquerading, since the host routes the range to
 * the node. Works with the reference plugins too.
 */
export function bridgeConflist(
  options: NetworkOptions & { podCidr: string; mtu?: number },
): string {
  const { podCidr, dataDir, mtu } = options;
  return conflist(options, {
    type: "bridge",
    ...bridgeOptions(options),
    ...(mtu === undefined ? {} : { mtu }),
    ipam: { type: "host-local", dataDir, ranges: [[{ subnet: podCidr }]] },
  });
}

/**
 * Returns the network configuration of a node of an overlay: the same bridge, with the range and
 * the MTU that the overlay writes into `subnetFile`. Pods wait until it has.
 */
export function overlayConflist(
  options: NetworkOptions & {
    subnetFile: string;
    /** Directory of what the plugin `flannel` keeps of each container. */
    flannelDir: string;
  },
): string {
  const { subnetFile, dataDir, flannelDir } = options;
  return conflist(options, {
    type: "flannel",
    subnetFile,
    dataDir: flannelDir,
    ipam: { dataDir },
    delegate: bridgeOptions(options),
  });
}

function bridgeOptions({ bridge = "cni0", checkAddresses = true }: NetworkOptions): object {
  return {
    bridge,
    isGateway: true,
    isDefaultGateway: true,
    forceAddress: false,
    ipMasq: false,
    hairpinMode: true,
    ipspoofchk: checkAddresses,
  };
}

function conflist({ name }: NetworkOptions, first: object): string {
  const list = {
    cniVersion: "1.0.0",
    cniVersions: ["1.0.0", "1.1.0"],
    name,
    plugins: [
      first,
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
      { type: "bandwidth", capabilities: { bandwidth: true } },
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
