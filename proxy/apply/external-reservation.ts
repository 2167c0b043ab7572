import ipaddr from "ipaddr.js";

/**
 * Returns whether no external address of a Service may be `address`: an API server's, or a pod's
 * (CVE-2020-8554).
 */
export function externalReservation(
  apiServers: readonly string[],
  clusterCidr: string | undefined,
): (address: string) => boolean {
  const pods = clusterCidr === undefined ? undefined : ipaddr.IPv4.parseCIDR(clusterCidr);
  return (address) =>
    apiServers.includes(address) || (pods !== undefined && ipaddr.IPv4.parse(address).match(pods));
}
