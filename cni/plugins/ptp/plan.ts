import { CniError } from "../../lib/errors.ts";
import { familyOf, formatSubnet, subnetOf } from "../../lib/ip.ts";
import type { CniResult, ResultIp, ResultRoute } from "../../lib/types.ts";
import { SCOPE_LINK } from "../../lib/veth.ts";

/** Addresses and routes of the two ends of the pair. */
export interface PtpPlan {
  /** Addresses of the container end, as in the result. */
  ips: ResultIp[];
  /**
   * Routes of the container: to each gateway on the link, to its subnet by the gateway, and IPAM's.
   */
  routes: ResultRoute[];
  /** The gateways, which are addresses of the host end alone: no subnet is on that link. */
  hostAddresses: string[];
  /** Destinations that the host reaches by its end: the container's addresses. */
  hostRoutes: string[];
}

const WHOLE = { 4: 32, 6: 128 } as const;
const CONTAINER_END = 1;

/**
 * Plans a link with two ends and no neighbours: all of the container's traffic passes the host,
 * also that to addresses of its own subnet. Error 7 if IPAM gave an address without a gateway.
 */
export function planPtp(ipam: CniResult): PtpPlan {
  const plan: PtpPlan = { ips: [], routes: [], hostAddresses: [], hostRoutes: [] };
  for (const ip of ipam.ips ?? []) {
    if (ip.gateway === undefined) {
      const what = `ptp needs a gateway for ${ip.address}; the IPAM plugin returned none`;
      throw new CniError("invalid-config", what, { remedy: "configure the address's gateway" });
    }
    const family = familyOf(ip.address);
    const [address, prefix] = ip.address.split("/");
    const gateway = `${ip.gateway}/${WHOLE[family]}`;
    plan.ips.push({ ...ip, interface: CONTAINER_END });
    plan.routes.push({ dst: gateway, scope: SCOPE_LINK });
    if (Number(prefix) < WHOLE[family]) {
      plan.routes.push({ dst: formatSubnet(subnetOf(ip.address)), gw: ip.gateway });
    }
    if (!plan.hostAddresses.includes(gateway)) plan.hostAddresses.push(gateway);
    plan.hostRoutes.push(`${address}/${WHOLE[family]}`);
  }
  plan.routes.push(...(ipam.routes ?? []));
  return plan;
}
