import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { ENDPOINTS_PER_SLICE_MAX } from "../limits.ts";
import {
  type AddressFamily, desiredGroups, familiesOf, groupKey, isTopologyAuto,
} from "./desired.ts";

export const SERVICE_NAME = "kubernetes.io/service-name";
export const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
export const MANAGER = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";
const SERVICE_TYPE = { apiVersion: "v1", kind: "Service" };

export interface SlicesPlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
}

/**
 * The writes that bring a Service's slices to its pods. Endpoints stay in the slice they are in,
 * new ones fill slices that are written anyway, then others with free places, then new slices: each
 * slice that is left alone is one that no proxy has to read again.
 */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  existing: readonly EndpointSlice[],
  nodeOf: (name: string) => Node | undefined = () => undefined,
): SlicesPlan {
  const plan: SlicesPlan = { create: [], update: [], delete: [] };
  const byGroup = new Map<string, EndpointSlice[]>();
  for (const slice of existing) {
    const key = groupKey(slice.addressType, slice.ports ?? []);
    byGroup.set(key, [...(byGroup.get(key) ?? []), slice]);
  }
  for (const { family, ports, endpoints } of desiredGroups(service, pods, nodeOf)) {
    const key = groupKey(family, ports);
    planGroup(service, { family, ports }, endpoints, byGroup.get(key) ?? [], plan);
    byGroup.delete(key);
  }
  // Groups without pods: their slices are deleted.
  for (const slices of byGroup.values()) plan.delete.push(...slices);
  keepOne(service, existing, plan);
  return plan;
}

interface GroupHead {
  family: AddressFamily;
  ports: EndpointPort[];
}

function planGroup(
  service: Service,
  head: GroupHead,
  desired: readonly Endpoint[],
  slices: readonly EndpointSlice[],
  plan: SlicesPlan,
): void {
  // The hints of the mode Auto are decided once it is known which slices stay as they are.
  const keepHints = isTopologyAuto(service);
  const missing = new Map(desired.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const drafts = slices.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((endpoint) => {
      const wanted = missing.get(endpointKey(endpoint));
      missing.delete(endpointKey(endpoint));
      return wanted ? [keepHints ? withHintsOf(wanted, endpoint) : wanted] : [];
    });
    return { slice, endpoints, changed: sliceChanged(service, slice, endpoints) };
  });
  const homeless = [...missing.values()];
  for (const wanted of [true, false]) {
    for (const draft of drafts.filter((item) => item.changed === wanted)) {
      const free = ENDPOINTS_PER_SLICE_MAX - draft.endpoints.length;
      if (homeless.length === 0 || free <= 0) continue;
      draft.endpoints.push(...homeless.splice(0, free));
      draft.changed = true;
    }
  }
  for (const { slice, endpoints, changed } of drafts) {
    if (endpoints.length === 0) plan.delete.push(slice);
    else if (changed) plan.update.push(withContent(service, slice, endpoints));
  }
  while (homeless.length > 0) {
    plan.create.push(makeSlice(service, head, homeless.splice(0, ENDPOINTS_PER_SLICE_MAX)));
  }
}

function withHintsOf(wanted: Endpoint, { hints }: Endpoint): Endpoint {
  return wanted.conditions?.ready && hints ? { ...wanted, hints } : wanted;
}

/**
 * A Service with a selector has a slice of each family even without pods: readers find it known.
 */
function keepOne(service: Service, existing: readonly EndpointSlice[], plan: SlicesPlan): void {
  for (const family of familiesOf(service)) {
    const stays = existing.some(
      (slice) => slice.addressType === family && !plan.delete.includes(slice),
    );
    if (stays || plan.create.some((slice) => slice.addressType === family)) continue;
    const last = plan.delete.find((slice) => slice.addressType === family);
    if (!last) {
      plan.create.push(makeSlice(service, { family, ports: [] }, []));
      continue;
    }
    plan.delete.splice(plan.delete.indexOf(last), 1);
    if (sliceChanged(service, last, [])) plan.update.push(withContent(service, last, []));
  }
}

function makeSlice(service: Service, { family, ports }: GroupHead, endpoints: Endpoint[]) {
  const slice: EndpointSlice = {
    metadata: {
      namespace: service.metadata.namespace,
      generateName: `${service.metadata.name ?? ""}-`,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(service, SERVICE_TYPE)],
    },
    addressType: family,
    endpoints,
    ports,
  };
  return slice;
}

function withContent(
  service: Service,
  slice: EndpointSlice,
  endpoints: Endpoint[],
): EndpointSlice {
  return { ...slice, metadata: { ...slice.metadata, labels: labelsOf(service) }, endpoints };
}

function sliceChanged(service: Service, slice: EndpointSlice, endpoints: Endpoint[]): boolean {
  const labels = (map: Record<string, string> = {}) => JSON.stringify(Object.entries(map).sort());
  if (labels(slice.metadata.labels) !== labels(labelsOf(service))) return true;
  const facts = (list: readonly Endpoint[]) => JSON.stringify(list.map(endpointFacts));
  return facts(slice.endpoints ?? []) !== facts(endpoints);
}

function endpointKey({ addresses, targetRef }: Endpoint): string {
  return `${targetRef?.uid ?? ""}/${addresses.join(",")}`;
}

function endpointFacts(endpoint: Endpoint): unknown {
  const { addresses, conditions = {}, hostname, nodeName, zone, targetRef, hints } = endpoint;
  const { ready, serving, terminating } = conditions;
  const names = (some: readonly { name: string }[] = []) => some.map(({ name }) => name);
  const near = [names(hints?.forZones), names(hints?.forNodes)];
  return [addresses, ready, serving, terminating, hostname, nodeName, zone, targetRef?.uid, near];
}

function labelsOf(service: Service): Record<string, string> {
  const labels = { ...service.metadata.labels };
  delete labels[HEADLESS];
  if (service.spec?.clusterIP === "None") labels[HEADLESS] = "";
  return { ...labels, [SERVICE_NAME]: service.metadata.name ?? "", [MANAGED_BY]: MANAGER };
}
