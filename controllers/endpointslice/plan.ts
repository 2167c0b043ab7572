import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { NodeOf } from "../endpoint-pods.ts";
import { ENDPOINTS_PER_SLICE_MAX } from "../limits.ts";
import { withTriggerTime } from "../trigger-times.ts";
import {
  desiredGroups,
  type EndpointGroup,
  familiesOf,
  groupKey,
  isTopologyAuto,
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
  /** The pods that are left out; none for other owners than Services. */
  leftOut?: number;
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
  nodeOf: NodeOf = () => undefined,
): SlicesPlan {
  const owner = ownerOf(service);
  const { groups, leftOut } = desiredGroups(service, pods, nodeOf);
  const plan = planGroups(owner, groups, existing);
  keepOne(service, owner, existing, plan);
  return leftOut > 0 ? { ...plan, leftOut } : plan;
}

/** Returns the plan whose slices name the time of the change that it follows. */
export function withTime({ create, update, ...rest }: SlicesPlan, time?: string): SlicesPlan {
  const timed = (slices: readonly EndpointSlice[]) =>
    slices.map((each) => ({ ...each, metadata: withTriggerTime(each.metadata, time) }));
  return { ...rest, create: timed(create), update: timed(update) };
}

/** The properties that the slices of one owner share. */
export interface SlicesOwner {
  /** The metadata of a new slice; existing ones get its labels. */
  metadata: ObjectMeta;
  /** Whether endpoints keep the hints that they have. */
  keepHints: boolean;
}

/** The writes that bring an owner's slices to `groups`, as `planSlices` describes. */
export function planGroups(
  owner: SlicesOwner,
  groups: readonly EndpointGroup[],
  existing: readonly EndpointSlice[],
): SlicesPlan {
  const plan: SlicesPlan = { create: [], update: [], delete: [] };
  const byGroup = new Map<string, EndpointSlice[]>();
  for (const slice of existing) {
    const key = groupKey(slice.addressType, slice.ports ?? []);
    byGroup.set(key, [...(byGroup.get(key) ?? []), slice]);
  }
  for (const group of groups) {
    const key = groupKey(group.family, group.ports);
    planGroup(owner, group, byGroup.get(key) ?? [], plan);
    byGroup.delete(key);
  }
  // Groups without pods: their slices are deleted.
  for (const slices of byGroup.values()) plan.delete.push(...slices);
  return plan;
}

type GroupHead = Omit<EndpointGroup, "endpoints">;

function planGroup(
  owner: SlicesOwner,
  group: EndpointGroup,
  slices: readonly EndpointSlice[],
  plan: SlicesPlan,
): void {
  const { keepHints } = owner;
  const missing = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const drafts = slices.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((endpoint) => {
      const wanted = missing.get(endpointKey(endpoint));
      missing.delete(endpointKey(endpoint));
      return wanted ? [keepHints ? withHintsOf(wanted, endpoint) : wanted] : [];
    });
    return { slice, endpoints, changed: sliceChanged(owner, slice, endpoints) };
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
    else if (changed) plan.update.push(withContent(owner, slice, endpoints));
  }
  while (homeless.length > 0) {
    plan.create.push(makeSlice(owner, group, homeless.splice(0, ENDPOINTS_PER_SLICE_MAX)));
  }
}

function withHintsOf(wanted: Endpoint, { hints }: Endpoint): Endpoint {
  return wanted.conditions?.ready && hints ? { ...wanted, hints } : wanted;
}

/**
 * A Service with a selector has a slice of each family even without pods: readers find it known.
 */
function keepOne(
  service: Service,
  owner: SlicesOwner,
  existing: readonly EndpointSlice[],
  plan: SlicesPlan,
): void {
  for (const family of familiesOf(service)) {
    const stays = existing.some(
      (slice) => slice.addressType === family && !plan.delete.includes(slice),
    );
    if (stays || plan.create.some((slice) => slice.addressType === family)) continue;
    const last = plan.delete.find((slice) => slice.addressType === family);
    if (!last) {
      plan.create.push(makeSlice(owner, { family, ports: [] }, []));
      continue;
    }
    plan.delete.splice(plan.delete.indexOf(last), 1);
    if (sliceChanged(owner, last, [])) plan.update.push(withContent(owner, last, []));
  }
}

const makeSlice = (
  { metadata }: SlicesOwner,
  { family: addressType, ports }: GroupHead,
  endpoints: Endpoint[],
): EndpointSlice => ({ metadata, addressType, endpoints, ports });

const withContent = (
  { metadata: { labels } }: SlicesOwner,
  slice: EndpointSlice,
  endpoints: Endpoint[],
): EndpointSlice => ({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });

function sliceChanged(owner: SlicesOwner, slice: EndpointSlice, endpoints: Endpoint[]): boolean {
  const labels = (map: Record<string, string> = {}) => JSON.stringify(Object.entries(map).sort());
  if (labels(slice.metadata.labels) !== labels(owner.metadata.labels)) return true;
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

function ownerOf(service: Service): SlicesOwner {
  return {
    metadata: {
      namespace: service.metadata.namespace,
      generateName: `${service.metadata.name ?? ""}-`,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(service, SERVICE_TYPE)],
    },
    // The hints of the mode Auto are decided once it is known which slices stay as they are.
    keepHints: isTopologyAuto(service),
  };
}

function labelsOf(service: Service): Record<string, string> {
  const labels = { ...service.metadata.labels };
  delete labels[HEADLESS];
  if (service.spec?.clusterIP === "None") labels[HEADLESS] = "";
  return { ...labels, [SERVICE_NAME]: service.metadata.name ?? "", [MANAGED_BY]: MANAGER };
}
