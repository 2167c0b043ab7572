import type {
  EndpointAddress,
  EndpointSubset,
  Endpoints,
  Service,
} from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { type AddressFamily, type EndpointGroup, groupKey } from "../endpointslice/desired.ts";
import { MANAGED_BY, SERVICE_NAME, type SlicesPlan } from "../endpointslice/plan.ts";
import { MIRRORED_PER_SUBSET_MAX } from "../limits.ts";

export const MIRROR_MANAGER = "endpointslicemirroring-controller.k8s.io";
/** The label of an Endpoints object whose slices another controller manages. */
const SKIP = "endpointslice.kubernetes.io/skip-mirror";
/** Old leader elections kept their lock on an Endpoints object. */
const LEADER = "control-plane.alpha.kubernetes.io/leader";
const ENDPOINTS_TYPE = { apiVersion: "v1", kind: "Endpoints" };

/** Whether the addresses were written by hand for a Service that picks no pods. */
export function isMirrored(service: Service | undefined, endpoints: Endpoints): boolean {
  const { labels = {}, annotations = {} } = endpoints.metadata;
  if (!service || Object.keys(service.spec?.selector ?? {}).length > 0) return false;
  return labels[SKIP] !== "true" && annotations[LEADER] === undefined;
}

/** The writes that bring the mirrored slices to `endpoints`; undefined: none are to stay. */
export function planMirror(
  endpoints: Endpoints | undefined,
  existing: readonly EndpointSlice[],
): SlicesPlan {
  const plan: SlicesPlan = { create: [], update: [], delete: [] };
  const wanted = new Map(
    (endpoints ? slicesOf(endpoints) : []).map((slice) => [keyOf(slice), slice]),
  );
  for (const slice of existing) {
    const desired = wanted.get(keyOf(slice));
    if (!desired) {
      plan.delete.push(slice);
      continue;
    }
    wanted.delete(keyOf(slice));
    if (facts(slice) === facts(desired)) continue;
    const metadata = { ...slice.metadata, labels: desired.metadata.labels };
    plan.update.push({ ...slice, metadata, endpoints: desired.endpoints });
  }
  plan.create.push(...wanted.values());
  return plan;
}

function slicesOf(endpoints: Endpoints): EndpointSlice[] {
  const groups = new Map<string, EndpointGroup>();
  for (const subset of endpoints.subsets ?? []) {
    const ports = subset.ports ?? [];
    const keys = { IPv4: groupKey("IPv4", ports), IPv6: groupKey("IPv6", ports) };
    for (const { family, endpoint } of endpointsOf(subset)) {
      const key = keys[family];
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      groups.set(key, group);
      // Subsets of the same ports share a slice, which has no room for more.
      if (group.endpoints.length < MIRRORED_PER_SUBSET_MAX) group.endpoints.push(endpoint);
    }
  }
  return [...groups.values()].map((group) => sliceOf(endpoints, group));
}

function endpointsOf({ addresses = [], notReadyAddresses = [] }: EndpointSubset) {
  const make = (address: EndpointAddress, ready: boolean) => {
    const { ip, hostname, nodeName, targetRef } = address;
    const family: AddressFamily = ip.includes(":") ? "IPv6" : "IPv4";
    const endpoint: Endpoint = {
      addresses: [ip],
      conditions: { ready },
      ...(hostname ? { hostname } : {}),
      ...(nodeName ? { nodeName } : {}),
      ...(targetRef ? { targetRef } : {}),
    };
    return { family, endpoint };
  };
  return [
    ...addresses.map((address) => make(address, true)),
    ...notReadyAddresses.map((address) => make(address, false)),
  ].slice(0, MIRRORED_PER_SUBSET_MAX);
}

function sliceOf(endpoints: Endpoints, group: EndpointGroup): EndpointSlice {
  const { namespace, name = "", labels } = endpoints.metadata;
  return {
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MIRROR_MANAGER },
      ownerReferences: [controllerReference(endpoints, ENDPOINTS_TYPE)],
    },
    addressType: group.family,
    ports: group.ports,
    endpoints: group.endpoints,
  };
}

/** Slices of the same Endpoints object, family and ports are one and the same. */
function keyOf({ metadata, addressType, ports }: EndpointSlice): string {
  return `${metadata.ownerReferences?.[0]?.uid ?? ""}|${groupKey(addressType, ports ?? [])}`;
}

function facts({ metadata, endpoints }: EndpointSlice): string {
  const labels = Object.entries(metadata.labels ?? {}).sort();
  const list = (endpoints ?? []).map(({ addresses, conditions, hostname, nodeName, targetRef }) => [
    addresses,
    conditions?.ready,
    hostname,
    nodeName,
    targetRef?.uid,
  ]);
  return JSON.stringify([labels, list]);
}
