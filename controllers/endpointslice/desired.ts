import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointPort } from "@raft2kube/api/gen/discovery/v1.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { canServe, hostnameIn, type NodeOf, podAddresses, targetPorts } from "../endpoint-pods.ts";
import { PORTS_OF_SERVICE_MAX } from "../limits.ts";

export type AddressFamily = "IPv4" | "IPv6";

/** Endpoints that offer the same ports in one family: what one or more slices hold. */
export type EndpointGroup = { family: AddressFamily; ports: EndpointPort[]; endpoints: Endpoint[] };

/**
 * The endpoints that a Service should have, in groups; a Service without any has no group. Pods
 * whose list of ports is one beyond PORTS_OF_SERVICE_MAX are left out.
 */
export function desiredGroups(
  service: Service,
  pods: readonly Pod[],
  nodeOf: NodeOf,
): { readonly groups: EndpointGroup[]; readonly leftOut: number } {
  const groups = new Map<string, EndpointGroup>();
  let [ports, leftOut] = [0, 0];
  for (const pod of pods) {
    if (!canServe(pod, nodeOf)) continue;
    const targets = targetPorts(pod, service.spec?.ports ?? []);
    const offered = targets.join();
    for (const family of familiesOf(service)) {
      const address = podAddresses(pod).find((ip) => ip.includes(":") === (family === "IPv6"));
      if (address === undefined) continue;
      const key = `${family}|${offered}`;
      const known = groups.get(key);
      if (!known && groups.size > 0 && ports + targets.length > PORTS_OF_SERVICE_MAX) {
        leftOut++;
        continue;
      }
      if (!known) ports += targets.length;
      const group = known ?? { family, ports: portsOf(service, targets), endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(endpointOf(service, pod, address, nodeOf));
    }
  }
  return { groups: [...groups.values()], leftOut };
}

/**
 * Whether a pod's node exists, or need not: the Service publishes pods in any state. Others are no
 * endpoints, as upstream.
 */
export function isPlaced({ spec }: Service, { spec: { nodeName } }: Pod, nodeOf: NodeOf): boolean {
  return spec?.publishNotReadyAddresses === true || !nodeName || nodeOf(nodeName) !== undefined;
}

/** Groups and slices of the same family and ports have the same key. */
export function groupKey(family: string, ports: readonly EndpointPort[]): string {
  const facts = ports.map(({ name = "", protocol = "TCP", port, appProtocol = "" }) =>
    [name, protocol, port ?? null, appProtocol].join("/"),
  );
  return `${family}|${facts.sort().join(",")}`;
}

export function familiesOf(service: Service): AddressFamily[] {
  const families = service.spec?.ipFamilies ?? [];
  return families.length === 0 ? ["IPv4"] : families.map((f) => (f === "IPv6" ? "IPv6" : "IPv4"));
}

function portsOf(service: Service, targets: readonly (number | undefined)[]): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port, index): EndpointPort[] => {
    const number = targets[index];
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function endpointOf(service: Service, pod: Pod, address: string, nodeOf: NodeOf): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { namespace, name, uid } = pod.metadata;
  const { nodeName } = pod.spec;
  const zone = nodeName && nodeOf(nodeName)?.metadata.labels?.["topology.kubernetes.io/zone"];
  const hostname = hostnameIn(service, pod);
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(ready ? hintsOf(service, nodeName, zone) : {}),
  };
}

/** The values of `trafficDistribution` for which endpoints near the client are preferred. */
const NEAR: ReadonlySet<string> = new Set(["PreferClose", "PreferSameZone", "PreferSameNode"]);
/** The annotations by whose value `Auto` hints are computed from the zones' CPU. */
const MODES = ["service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"];

/** Whether the hints of a Service come from the zones' CPU (`topology.ts`), not from its field. */
export function isTopologyAuto({ metadata: { annotations = {} } }: Service): boolean {
  const mode = MODES.map((name) => annotations[name]).find((value) => value !== undefined);
  return mode === "Auto" || mode === "auto";
}

/** The `trafficDistribution` that decides a Service's hints; undefined when none does. */
export function distributionOf(service: Service): string | undefined {
  const distribution = service.spec?.trafficDistribution;
  if (distribution === undefined || !NEAR.has(distribution)) return undefined;
  return isTopologyAuto(service) ? undefined : distribution;
}

/**
 * The hints of a ready endpoint by its Service's `trafficDistribution`: the clients of its zone
 * and, with PreferSameNode, of its node (upstream's trafficdist).
 */
function hintsOf(
  service: Service,
  nodeName: string | undefined,
  zone: string | undefined,
): Pick<Endpoint, "hints"> {
  const distribution = distributionOf(service);
  if (distribution === undefined) return {};
  const forNodes = distribution === "PreferSameNode" && nodeName ? [{ name: nodeName }] : undefined;
  const forZones = zone ? [{ name: zone }] : undefined;
  if (!forNodes && !forZones) return {};
  return { hints: { ...(forZones && { forZones }), ...(forNodes && { forNodes }) } };
}
