import type { ServicePort, Target } from "@raft2kube/proxy/plan/model.ts";

/** The address of the checked Service, and its node port. */
export const SERVICE = { ip: "10.96.0.10", external: "203.0.113.10", port: 80, nodePort: 30_080 };

/** Port 80 of the Service `shop/web`, with `endpoints` on all nodes, `local` ones on this node. */
export function webPort(
  endpoints: readonly Target[],
  local: readonly Target[] = endpoints,
  more: Partial<ServicePort> = {},
): ServicePort {
  return {
    key: "shop/web:http/TCP",
    transport: "tcp",
    port: SERVICE.port,
    clusterIps: [SERVICE.ip],
    externalIps: [],
    nodePort: undefined,
    affinity_s: undefined,
    allEndpoints: [...endpoints],
    localEndpoints: [...local],
    unplacedEndpoints: [],
    keptEndpoints: [],
    internalLocal: false,
    externalLocal: false,
    apiAddresses: [],
    firewall: undefined,
    ...more,
  };
}

/** Endpoints `10.244.0.1:8080`, `10.244.0.2:8080` and so on. */
export function endpoints(count: number): Target[] {
  return Array.from({ length: count }, (_, at) => ({ address: `10.244.0.${at + 1}`, port: 8080 }));
}

/** `10.244.0.1:8080, 10.244.0.2:8080`, or `none`. */
export function describeTargets(targets: readonly Target[]): string {
  return targets.map(({ address, port }) => `${address}:${port}`).join(", ") || "none";
}
