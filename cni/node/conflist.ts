/**
 * Returns the network configuration of a node whose pods have addresses of `podCidr` on one bridge,
 * as text for a file of /etc/cni/net.d. Without masquerading, since the host routes the range to
 * the node. Works with the reference plugins too.
 */
export function bridgeConflist(options: {
  name: string;
  podCidr: string;
  /** Directory of host-local's allocated addresses. */
  dataDir: string;
  bridge?: string;
  mtu?: number;
  /** Whether packets with source addresses of others are dropped. Default true. */
  checkAddresses?: boolean;
  /** The kind of rules that map ports. Default nftables. */
  backend?: "nftables" | "iptables";
}): string {
  const { name, podCidr, dataDir, bridge = "cni0", mtu, checkAddresses = true } = options;
  const backend = options.backend === undefined ? {} : { backend: options.backend };
  const list = {
    cniVersion: "1.0.0",
    cniVersions: ["1.0.0", "1.1.0"],
    name,
    plugins: [
      {
        type: "bridge",
        bridge,
        isGateway: true,
        isDefaultGateway: true,
        forceAddress: false,
        ipMasq: false,
        hairpinMode: true,
        ipspoofchk: checkAddresses,
        ...(mtu === undefined ? {} : { mtu }),
        ipam: { type: "host-local", dataDir, ranges: [[{ subnet: podCidr }]] },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true, ...backend },
      { type: "bandwidth", capabilities: { bandwidth: true } },
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
