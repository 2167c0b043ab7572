import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";

/** Returns a TCP port 80 without addresses and endpoints, changed by `changes`. */
export function servicePort(changes: Partial<ServicePort> = {}): ServicePort {
  return {
    key: "shop/web:http/TCP",
    transport: "tcp",
    port: 80,
    clusterIps: [],
    externalIps: [],
    nodePort: undefined,
    affinity_s: undefined,
    allEndpoints: [],
    localEndpoints: [],
    unplacedEndpoints: [],
    keptEndpoints: [],
    internalLocal: false,
    externalLocal: false,
    apiAddresses: [],
    firewall: undefined,
    ...changes,
  };
}
