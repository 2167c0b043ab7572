import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import { problemOf } from "../plan/endpoints.ts";
import type { Target } from "../plan/model.ts";

/** Protocols whose node ports the host serves. */
export type HostProtocol = "TCP" | "UDP";

/** A node port that the host serves on its loopback address. */
export interface HostPort {
  port: number;
  protocol: HostProtocol;
  /** `namespace/name` of its Service. */
  service: string;
}

/**
 * Returns the node ports by protocol and number, as `UDP/30053`; of two Services with the same one
 * the older has it. SCTP is left out: Node has none. Pure.
 */
export function hostPorts(services: readonly Service[]): Map<string, HostPort> {
  const since = ({ metadata }: Service) => metadata.creationTimestamp ?? "";
  const sorted = [...services].sort((a, b) => (since(a) < since(b) ? -1 : 1));
  const ports = new Map<string, HostPort>();
  for (const { metadata, spec } of sorted) {
    if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") continue;
    for (const { nodePort, protocol = "TCP" } of spec.ports ?? []) {
      const key = `${protocol}/${nodePort}`;
      if (!nodePort || protocol === "SCTP" || ports.has(key)) continue;
      const service = `${metadata.namespace}/${metadata.name}`;
      ports.set(key, { port: nodePort, protocol, service });
    }
  }
  return ports;
}

/**
 * Returns where to reach a node port: the nodes that are ready, each by its first address. A node
 * writes its own status: a loopback address would lead each connection back to these ports.
 */
export function nodeTargets(nodes: readonly Node[], port: number): Target[] {
  const ready = nodes.filter(({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
  return ready.flatMap(({ status }) => {
    const address = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
    return address === undefined || problemOf(address) ? [] : [{ address, port }];
  });
}
