import type { IpsetEntry } from "@raft2kube/linux/netfilter/ipset.ts";
import type { VirtualServer } from "@raft2kube/linux/netfilter/ipvs.ts";
import { reachableEndpoints } from "../../plan/endpoints.ts";
import type { ServicePort, Target } from "../../plan/model.ts";
import { SETS, type SetName } from "./layout.ts";

/** Virtual servers, set entries and addresses that one Service port needs in the kernel. */
export interface Wanted {
  /** Virtual servers with their destinations. */
  servers: { server: VirtualServer; targets: readonly Target[] }[];
  entries: { set: SetName; entry: IpsetEntry }[];
  /** Addresses of the dummy device. */
  addresses: string[];
}

/** Settings that all Services of a node share. */
export interface Context {
  scheduler: string;
  /** The node's addresses that serve node ports. */
  nodeAddresses: readonly string[];
}

/**
 * Returns the virtual servers of a Service port, one for each frontend, and the sets that the rules
 * look up. Pure.
 */
export function wantedOf(port: ServicePort, { scheduler, nodeAddresses }: Context): Wanted {
  // lab:14c begin wanted
  const { transport: protocol, affinity_s: persistence_s, allEndpoints, localEndpoints } = port;
  const wanted: Wanted = { servers: [], entries: [], addresses: [] };
  const serve = (address: string, number: number, local: boolean, set: SetName | undefined) => {
    const server = { address, protocol, port: number, scheduler, persistence_s };
    wanted.servers.push({ server, targets: local ? localEndpoints : allEndpoints });
    const entry = { ip: address, port: { protocol, number } };
    if (set) wanted.entries.push({ set, entry });
  };
  for (const ip of port.clusterIps) serve(ip, port.port, port.internalLocal, SETS.clusterIp);
  const { externalLocal } = port;
  for (const ip of port.externalIps) {
    serve(ip, port.port, externalLocal, externalLocal ? SETS.externalLocal : SETS.external);
    wanted.entries.push(...guard(port, ip));
  }
  if (port.nodePort !== undefined) {
    for (const address of nodeAddresses) {
      serve(address, port.nodePort, externalLocal, externalLocal ? undefined : SETS.nodePort);
    }
  }
  const addresses = [...port.clusterIps, ...port.externalIps];
  wanted.addresses.push(...addresses);
  wanted.entries.push(...addresses.map((ip) => ({ set: SETS.addresses, entry: { ip } })));
  // A pod that connects to itself is masqueraded, or its replies bypass NAT.
  for (const { address: ip, port: number } of reachableEndpoints(port)) {
    const entry = { ip, port: { protocol, number }, second: ip };
    wanted.entries.push({ set: SETS.loopBack, entry });
  }
  return wanted;
  // lab:14c end
}

/** The entries that admit only the clients of a load balancer's source ranges. */
function guard({ transport, port, firewall }: ServicePort, ip: string): Wanted["entries"] {
  if (firewall?.addresses.includes(ip) !== true) return [];
  const entry = { ip, port: { protocol: transport, number: port } };
  return [
    { set: SETS.guarded, entry },
    ...firewall.ranges.map((second) => ({ set: SETS.admitted, entry: { ...entry, second } })),
  ];
}
