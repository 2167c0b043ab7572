import type { ServiceSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { given } from "@raft2kube/std/given.ts";

/** A Service as the registry sees it: decoding has made sure that it has a spec. */
export interface Service extends KubeObject {
  spec: ServiceSpec;
}

/** The part of a Service that its addresses and ports are compared by, a little of a megabyte. */
export function reservingPart({ apiVersion, kind, metadata, spec }: Service): Service {
  const { name, namespace, uid, resourceVersion } = metadata;
  const { type, clusterIP, clusterIPs, healthCheckNodePort, externalTrafficPolicy } = spec;
  const ports = spec.ports?.filter(({ nodePort }) => nodePort);
  return {
    ...given({ apiVersion, kind }),
    metadata: given({ name, namespace, uid, resourceVersion }),
    spec: given({ type, clusterIP, clusterIPs, healthCheckNodePort, externalTrafficPolicy, ports }),
  };
}

/** Whether a Service has an address of its own. */
export function wantsAddress(service: Service): boolean {
  return service.spec.type !== "ExternalName" && service.spec.clusterIP !== "None";
}

/** The address a Service holds, undefined when it has none. */
export function heldAddress(service: Service | undefined): string | undefined {
  if (service === undefined || !wantsAddress(service)) return undefined;
  return service.spec.clusterIP || undefined;
}

/** Whether load balancers ask the nodes where its pods are. */
export function wantsHealthPort(service: Service): boolean {
  return service.spec.type === "LoadBalancer" && service.spec.externalTrafficPolicy === "Local";
}

/** The node ports a Service holds. */
export function heldPorts(service: Service | undefined): Set<number> {
  const held = new Set<number>();
  if (service === undefined) return held;
  const { type, ports = [], healthCheckNodePort } = service.spec;
  if (type === "NodePort" || type === "LoadBalancer") {
    for (const { nodePort } of ports) if (nodePort) held.add(nodePort);
  }
  if (wantsHealthPort(service) && healthCheckNodePort) held.add(healthCheckNodePort);
  return held;
}
