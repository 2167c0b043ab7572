import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
  ServicePort,
} from "@raft2kube/api/gen/core/v1.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { canServe, hostnameIn, type NodeOf, podAddresses, targetPorts } from "../endpoint-pods.ts";
import { ENDPOINTS_ADDRESSES_MAX, PORTS_OF_SERVICE_MAX } from "../limits.ts";

const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const MANAGER = "endpoint-controller";
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const HEADLESS = "service.kubernetes.io/headless";

/** Addresses that offer the same ports. */
type Group = { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] };

/** The Endpoints object of a Service with a selector; kept fields come from `old`. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  old: Endpoints | undefined,
  nodeOf: NodeOf = () => undefined,
): Endpoints {
  const groups = new Map<string, Group>();
  const wanted = service.spec?.ports ?? [];
  let left = ENDPOINTS_ADDRESSES_MAX;
  let ports = 0;
  let cut = false;
  for (const pod of [...pods].sort(byAddress)) {
    const leaving = pod.metadata.deletionTimestamp !== undefined;
    const publishAll = service.spec?.publishNotReadyAddresses === true;
    if (!canServe(pod, nodeOf) || (leaving && !publishAll)) continue;
    const address = addressOf(service, pod);
    const targets = targetPorts(pod, wanted);
    const offersNone = wanted.length > 0 && targets.every((each) => each === undefined);
    if (!address || offersNone) continue;
    const key = targets.join();
    if (!groups.has(key)) ports += wanted.length;
    if (left <= 0 || (!groups.has(key) && groups.size > 0 && ports > PORTS_OF_SERVICE_MAX)) {
      cut = true;
      continue;
    }
    left--;
    const group = groups.get(key) ?? { ports: portsOf(wanted, targets), ready: [], notReady: [] };
    groups.set(key, group);
    (publishAll || isPodReady(pod) ? group.ready : group.notReady).push(address);
  }
  const { namespace, name } = service.metadata;
  const subsets = [...groups.values()]
    .map((group) => ({ key: JSON.stringify(group.ports), group }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const annotations = { ...old?.metadata.annotations };
  if (cut) annotations[OVER_CAPACITY] = "truncated";
  else delete annotations[OVER_CAPACITY];
  return {
    metadata: { ...old?.metadata, namespace, name, labels: labelsOf(service), annotations },
    subsets: subsets.map(({ group }) => subsetOf(group)),
  };
}

/** Whether an Endpoints object is one that is made here. */
export function isOwn({ metadata }: Endpoints): boolean {
  return metadata.labels?.[MANAGED_BY] === MANAGER;
}

/** Whether writing `planned` over `old` would change anything. */
export function endpointsChanged(old: Endpoints | undefined, planned: Endpoints): boolean {
  if (!old) return true;
  const facts = ({ metadata, subsets = [] }: Endpoints) =>
    JSON.stringify([sorted(metadata.labels), sorted(metadata.annotations), subsets.map(canonical)]);
  return facts(old) !== facts(planned);
}

function canonical({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset) {
  const address = ({ ip, hostname, nodeName, targetRef }: EndpointAddress) => [
    ip,
    hostname,
    nodeName,
    targetRef?.name,
    targetRef?.uid,
  ];
  const port = ({ name = "", port: number, protocol = "TCP", appProtocol }: EndpointPort) => [
    name,
    number,
    protocol,
    appProtocol,
  ];
  return [addresses.map(address), notReadyAddresses.map(address), ports.map(port)];
}

function sorted(map: Record<string, string> | undefined): [string, string][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

function subsetOf({ ports, ready, notReady }: Group): EndpointSubset {
  const subset: EndpointSubset = {};
  if (ready.length > 0) subset.addresses = ready;
  if (notReady.length > 0) subset.notReadyAddresses = notReady;
  if (ports.length > 0) subset.ports = ports;
  return subset;
}

/** The pod's address in the Service's first family. */
function addressOf(service: Service, pod: Pod): EndpointAddress | undefined {
  const ipv6 = service.spec?.ipFamilies?.[0] === "IPv6";
  const ip = podAddresses(pod).find((candidate) => candidate.includes(":") === ipv6);
  if (ip === undefined) return undefined;
  const { namespace, name, uid } = pod.metadata;
  const hostname = hostnameIn(service, pod);
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

function portsOf(
  wanted: readonly ServicePort[],
  targets: readonly (number | undefined)[],
): EndpointPort[] {
  return wanted.flatMap((port, index): EndpointPort[] => {
    const number = targets[index];
    if (number === undefined) return [];
    const { name, protocol = "TCP", appProtocol } = port;
    return [
      {
        ...(name ? { name } : {}),
        port: number,
        protocol,
        ...(appProtocol ? { appProtocol } : {}),
      },
    ];
  });
}

function labelsOf(service: Service): Record<string, string> {
  const labels: Record<string, string> = { ...service.metadata.labels };
  labels[MANAGED_BY] = MANAGER;
  delete labels[HEADLESS];
  return service.spec?.clusterIP === "None" ? { ...labels, [HEADLESS]: "" } : labels;
}

function byAddress(a: Pod, b: Pod): number {
  const key = (pod: Pod) => podAddresses(pod)[0] ?? "";
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}
