import { isMadeByNode, isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Node, Pod, Service, ServicePort } from "@raft2kube/api/gen/core/v1.ts";
import { matchesMap } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodReady, isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { byNamespace, NAMESPACE_INDEX } from "./indexes.ts";
import { isControlPlane } from "./node-state.ts";
import { Selecting } from "./selecting.ts";

/**
 * Rules that Endpoints and EndpointSlices share: which pods are the endpoints of a Service, by
 * which port.
 */

/** Whether a Service's selector picks a pod. A Service without selector picks none. */
export function picks(service: Service, pod: Pod): boolean {
  const { selector, type } = service.spec ?? {};
  if (type === "ExternalName" || !selector || matchesMap(selector, {})) return false;
  return matchesMap(selector, pod.metadata.labels);
}

/** The Node of a name, undefined if there is none. */
export type NodeOf = (name: string) => Node | undefined;

/**
 * Whether a pod can be an endpoint at all: it has an address and has not ended. Not upstream's:
 * mirror pods serve no Service, since a node makes them in any namespace with any labels; those of
 * the control plane's nodes do, whose root has the cluster anyway.
 */
export function canServe(pod: Pod, nodeOf: NodeOf): boolean {
  if (isMirrorPod(pod) && !isOfControlPlane(pod, nodeOf)) return false;
  return !isPodTerminal(pod) && podAddresses(pod).length > 0;
}

function isOfControlPlane(pod: Pod, nodeOf: NodeOf): boolean {
  const node = isMadeByNode(pod) ? nodeOf(pod.spec.nodeName ?? "") : undefined;
  return node !== undefined && isControlPlane(node);
}

export function podAddresses(pod: Pod): string[] {
  const { podIP, podIPs = [] } = pod.status ?? {};
  if (podIPs.length > 0) return podIPs.map(({ ip }) => ip);
  return podIP ? [podIP] : [];
}

/**
 * The ports of a pod that a Service's ports lead to, in their order; a name it does not have leads
 * nowhere. The pod's names are read once: both may have thousands.
 */
export function targetPorts(pod: Pod, ports: readonly ServicePort[]): (number | undefined)[] {
  let named: ReadonlyMap<string, number> | undefined;
  return ports.map(({ port, targetPort, protocol = "TCP" }) => {
    if (targetPort === undefined || targetPort === "" || targetPort === 0) return port;
    if (typeof targetPort === "number") return targetPort;
    named ??= namedPorts(pod);
    return named.get(`${protocol}/${targetPort}`);
  });
}

/** The ports by protocol and name; of one name the first counts. */
function namedPorts({ spec }: Pod): Map<string, number> {
  const sidecars = (spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  const ports = [...spec.containers, ...sidecars].flatMap((container) => container.ports ?? []);
  return new Map(
    ports
      .filter(({ name }) => name !== undefined)
      .reverse()
      .map(({ protocol = "TCP", name, containerPort }) => [`${protocol}/${name}`, containerPort]),
  );
}

/** The name a pod has under its headless Service, if it asks for one. */
export function hostnameIn(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec;
  const same = pod.metadata.namespace === service.metadata.namespace;
  return hostname && same && subdomain === service.metadata.name ? hostname : undefined;
}

/** Whether a change of a pod may change an endpoint. Counters and probe times do not. */
export function endpointChanged(pod: Pod, old: Pod): boolean {
  return JSON.stringify(endpointFacts(pod)) !== JSON.stringify(endpointFacts(old));
}

const endpointFacts = (pod: Pod): unknown => [
  podAddresses(pod),
  isPodReady(pod),
  isPodTerminal(pod),
  pod.metadata.deletionTimestamp !== undefined,
  pod.metadata.labels,
  pod.spec.nodeName,
];

/**
 * Calls back, for each change that matters, with the keys of the Services whose endpoints may
 * change.
 */
export function watchEndpoints(
  services: Informer<Service>,
  pods: Informer<Pod>,
  nodes: Informer<Node>,
  look: (key: string) => void,
): void {
  services.index(NAMESPACE_INDEX, byNamespace);
  pods.index(NAMESPACE_INDEX, byNamespace);
  const picking = new Selecting<Service, Pod>({ owners: services, selects: picks, found: look });
  const lookAtService = (service: Service) => look(keyOf(service));
  services.handle({ added: lookAtService, updated: lookAtService, deleted: lookAtService });
  pods.handle({
    added: (pod) => picking.changed(pod),
    updated(pod, old) {
      if (endpointChanged(pod, old)) picking.changed(pod, old);
    },
    deleted: (pod) => picking.changed(pod),
  });
  const lookAtMirrors = ({ metadata: { name } }: Node) => {
    const all = pods.store.list();
    for (const pod of all) if (isMirrorPod(pod) && pod.spec.nodeName === name) picking.changed(pod);
  };
  nodes.handle({
    added(node) {
      if (isControlPlane(node)) lookAtMirrors(node);
    },
    updated(node, old) {
      if (isControlPlane(node) !== isControlPlane(old)) lookAtMirrors(node);
    },
    deleted(node) {
      if (isControlPlane(node)) lookAtMirrors(node);
    },
  });
}
