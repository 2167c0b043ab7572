import { familyOf, formatIp, subnetOf } from "../../lib/ip.ts";
import type { CniResult, ResultInterface, ResultIp, ResultRoute } from "../../lib/types.ts";
import type { BridgeConfig } from "./config.ts";

/** Addresses and routes of the container, and addresses of the bridge. */
export interface AddressPlan {
  ips: ResultIp[];
  routes: ResultRoute[];
  /** The bridge's addresses in CIDR notation: one per gateway. */
  gateways: string[];
}

/**
 * Completes the result of IPAM. With isGateway a missing gateway is the subnet's first address;
 * with isDefaultGateway each family without a default route gets one. Without isGateway the bridge
 * gets no address: `gateways` is empty. Each address belongs to `interface: 2`, the last one of the
 * result's bridge, host's end and container's end.
 */
export function planAddresses(config: BridgeConfig, ipam: CniResult): AddressPlan {
  // lab:12 begin plan-addresses
  const ips = (ipam.ips ?? []).map((ip): ResultIp => {
    const gateway = ip.gateway ?? (config.isGateway ? firstOf(ip.address) : undefined);
    return { ...ip, interface: 2, ...(gateway ? { gateway } : {}) };
  });
  const routes = [...(ipam.routes ?? [])];
  const gateways: string[] = [];
  for (const { address, gateway } of ips) {
    if (!config.isGateway || !gateway) continue;
    const own = `${gateway}/${address.split("/")[1]}`;
    if (!gateways.includes(own)) gateways.push(own);
    const everywhere = familyOf(address) === 4 ? "0.0.0.0/0" : "::/0";
    if (config.isDefaultGateway && !routes.some((route) => route.dst === everywhere)) {
      routes.push({ dst: everywhere, gw: gateway });
    }
  }
  return { ips, routes, gateways };
  // lab:12 end
}

function firstOf(cidr: string): string {
  const { family, network } = subnetOf(cidr);
  return formatIp({ family, value: network + 1n });
}

/**
 * Returns the plugin's result: bridge, host end and container end, as the reference plugin does.
 */
export function planResult(
  interfaces: ResultInterface[],
  addresses: AddressPlan,
  ipam: CniResult,
): CniResult {
  const { ips, routes } = addresses;
  return {
    cniVersion: "1.1.0",
    interfaces,
    ...(ips.length ? { ips } : {}),
    ...(routes.length ? { routes } : {}),
    ...(ipam.dns ? { dns: ipam.dns } : {}),
  };
}
