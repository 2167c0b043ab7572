import { hasAddress, parseCidr } from "@raft2kube/api/cidr.ts";
import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import { given } from "@raft2kube/std/given.ts";
import { problemOf } from "../plan/endpoints.ts";
import type { Target } from "../plan/model.ts";
import { affinityOf } from "../plan/service.ts";

/** Protocols whose node ports the host serves. */
export type HostProtocol = "TCP" | "UDP";

/** A node port that the host serves on its loopback address. */
export interface HostPort {
  port: number;
  protocol: HostProtocol;
  /** `namespace/name` of its Service. */
  service: string;
  /** Where to connect instead of the nodes, of which some have no endpoint by a policy Local. */
  cluster?: Target;
  /** Timeout of session affinity in seconds: each node would choose for itself. */
  affinity_s?: number;
}

/**
 * Returns the node ports by protocol and number, as `UDP/30053`; of two Services with the same one
 * the older has it. SCTP is left out: Node has none. `serviceCidr`: cluster IPs that the host
 * reaches. Pure.
 */
export function hostPorts(
  services: readonly Service[],
  serviceCidr: string,
): Map<string, HostPort> {
  const since = ({ metadata }: Service) => metadata.creationTimestamp ?? "";
  const sorted = [...services].sort((a, b) => (since(a) < since(b) ? -1 : 1));
  const ports = new Map<string, HostPort>();
  for (const { metadata, spec } of sorted) {
    if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") continue;
    const address = spec.externalTrafficPolicy === "Local" && clusterIp(spec, serviceCidr);
    for (const { port: number, nodePort, protocol = "TCP" } of spec.ports ?? []) {
      const key = `${protocol}/${nodePort}`;
      if (!nodePort || protocol === "SCTP" || ports.has(key)) continue;
      const service = `${metadata.namespace}/${metadata.name}`;
      const cluster = address ? { address, port: number } : undefined;
      const more = given({ cluster, affinity_s: affinityOf(spec) });
      ports.set(key, { port: nodePort, protocol, service, ...more });
    }
  }
  return ports;
}

/** The cluster IP by which the host reaches a Service's endpoints on all nodes, if it does. */
function clusterIp(spec: Service["spec"], serviceCidr: string): string | undefined {
  const range = parseCidr(serviceCidr);
  const own = spec.internalTrafficPolicy === "Local" ? undefined : spec.clusterIP;
  return range && own && hasAddress(range, own) ? own : undefined;
}

/**
 * Returns where to reach a node port: at its `cluster`, or the nodes that are ready, each by its
 * first address. A node writes its own status: a loopback address would lead each connection back
 * to these ports.
 */
export function targetsOf(
  nodes: readonly Node[],
  { cluster, port }: Pick<HostPort, "cluster" | "port">,
): Target[] {
  if (cluster) return [cluster];
  const ready = nodes.filter(({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
  return ready.flatMap(({ status }) => {
    const address = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
    return address === undefined || problemOf(address) ? [] : [{ address, port }];
  });
}
